//! Containers: what is written is read back, GNU tar agrees, and every other byte is refused with its place.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::PathBuf;
use std::process::Command;

use cartulaire_formats::bounds::CONTAINER_MEMBERS_MAX;
use cartulaire_formats::container::*;
use cartulaire_formats::time::Timestamp;
use proptest::prelude::*;

const MTIME: u64 = 1_793_000_000;

enum Form {
    Plain,
    Streamed,
}
use Form::{Plain, Streamed};

fn container(members: &[(&str, Form, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, form, data) in members {
        let size = data.len() as u64;
        match form {
            Plain => bytes.extend(member_head(name, size, MTIME).unwrap()),
            Streamed => bytes.extend(streamed_head(name, size, MTIME).unwrap()),
        }
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len() + padding(size), 0);
    }
    bytes.extend(END);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<(String, u64, Vec<u8>)>, ContainerError> {
    let owned = |member: Member| (member.name.to_owned(), member.offset, member.data.to_vec());
    members(bytes).map(|member| member.map(owned)).collect()
}

fn refused(bytes: &[u8], offset: u64, fault: Fault) {
    assert_eq!(read(bytes), Err(ContainerError { offset, fault }));
}

/// Puts bytes into the header at `block` and makes its checksum right again.
fn patched(bytes: &[u8], block: usize, at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let header = &mut bytes[block * 512..][..512];
    header[at..at + patch.len()].copy_from_slice(patch);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

fn three() -> Vec<u8> {
    container(&[("a/one", Plain, b"hello"), ("two", Streamed, &[7; 512]), ("three.txt", Plain, b"")])
}

#[test]
fn members_come_back_with_their_places() {
    let expected = vec![
        ("a/one".to_owned(), 512, b"hello".to_vec()),
        ("two".to_owned(), 1024 + 1536, vec![7; 512]),
        ("three.txt".to_owned(), 1024 + 1536 + 512 + 512, Vec::new()),
    ];
    assert_eq!(read(&three()), Ok(expected));
    assert_eq!(read(&END), Ok(Vec::new()));
}

#[test]
fn a_header_is_these_bytes() {
    let head = member_head("a/one", 5, MTIME).unwrap();
    let zeros = |count| "~".repeat(count);
    let expected = [
        "a/one",
        &zeros(95),
        "0000444~0000000~0000000~00000000005~15267601100~010157~ 0",
        &zeros(100),
        "ustar~00",
        &zeros(64),
        "0000000~0000000~",
        &zeros(167),
    ];
    assert_eq!(head.escape_ascii().to_string().replace("\\x00", "~"), expected.concat());
    let streamed = streamed_head("a/one", 5, MTIME).unwrap();
    assert_eq!(&streamed[512..522], b"9 size=5\n\0");
    assert_eq!(&streamed[1024..], head);
    let large = streamed_head("a/one", 1 << 33, MTIME).unwrap();
    assert_eq!(&large[512..532], b"19 size=8589934592\n\0");
    assert_eq!(&large[1024 + 124..1024 + 136], b"00000000000\0");
    let border = streamed_head("a/one", 10, MTIME).unwrap();
    assert_eq!(&border[512..524], b"11 size=10\n\0");
}

#[test]
fn heads_that_cannot_be_made() {
    let long = "x".repeat(101);
    let names = [
        ("", NameError::Empty),
        (long.as_str(), NameError::TooLong { bytes: 101 }),
        ("a b", NameError::Character { position: 1 }),
        ("é", NameError::Character { position: 0 }),
        ("a\\b", NameError::Character { position: 1 }),
        ("/etc/passwd", NameError::Absolute),
        ("../a", NameError::Element),
        ("a/../b", NameError::Element),
        ("./a", NameError::Element),
        ("a//b", NameError::Element),
        ("a/", NameError::Element),
    ];
    for (name, error) in names {
        assert_eq!(member_head(name, 0, 0), Err(HeadError::Name(error)), "{name}");
        assert_eq!(streamed_head(name, 0, 0), Err(HeadError::Name(error)), "{name}");
    }
    assert_eq!(member_head("a", 1 << 33, 0), Err(HeadError::Size { size: 1 << 33 }));
    assert_eq!(streamed_head("a", (1 << 62) + 1, 0), Err(HeadError::Size { size: (1 << 62) + 1 }));
    assert_eq!(member_head("a", 0, 1 << 33), Err(HeadError::Mtime { mtime: 1 << 33 }));
    assert_eq!(streamed_head("a", 0, 1 << 33), Err(HeadError::Mtime { mtime: 1 << 33 }));
    assert_eq!(mtime(Timestamp::MAX), (1 << 33) - 1);
    assert_eq!(mtime("2026-11-24T08:00:00.999Z".parse().unwrap()), 1_795_507_200);
    assert!(member_head(&"x".repeat(100), (1 << 33) - 1, (1 << 33) - 1).is_ok());
}

#[test]
fn every_truncation_is_refused() {
    let whole = three();
    for length in 0..whole.len() {
        refused(&whole[..length], length as u64, Fault::Truncated);
    }
}

#[test]
fn every_flipped_bit_outside_data_is_refused() {
    let (whole, mut kept) = (three(), Vec::new());
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        if read(&bytes).is_ok() {
            kept.push(position);
        }
    }
    let data: Vec<usize> = (512..517).chain(2560..3072).collect();
    assert_eq!(kept, data);
}

#[test]
fn every_other_byte_is_refused_with_its_place() {
    let whole = three();
    let longer = |tail: &[u8]| [&whole[..], tail].concat();
    let end = whole.len() as u64;
    refused(&longer(b"x"), end, Fault::TrailingGarbage);
    refused(&longer(&END), end, Fault::TrailingGarbage);

    let set = |position: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[position] = byte;
        bytes
    };
    refused(&set(whole.len() - 1, 1), end - 1024, Fault::End);
    refused(&set(517, 1), 517, Fault::Padding);
    refused(&set(0, b'b'), 0, Fault::Checksum);
    for flag in [b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'g', b'L', b'K', b'S', 0] {
        refused(&patched(&whole, 0, 156, &[flag]), 0, Fault::NotRegular { flag });
    }
    refused(&patched(&whole, 0, 0, b"/"), 0, Fault::Name(NameError::Absolute));
    refused(&patched(&whole, 0, 0, b"../ab"), 0, Fault::Name(NameError::Element));
    refused(&patched(&whole, 0, 0, b"\0\0\0\0\0"), 0, Fault::Name(NameError::Empty));
    refused(&patched(&whole, 0, 0, b"a\0b"), 0, Fault::Form);
    refused(&patched(&whole, 0, 0, b"\xff"), 0, Fault::Form);
    refused(&patched(&whole, 0, 124, b"0000000000x"), 0, Fault::Number);
    refused(&patched(&whole, 0, 124, b"\x80"), 0, Fault::Number);
    refused(&patched(&whole, 0, 136, b" "), 0, Fault::Number);
    refused(&patched(&whole, 0, 100, b"0000644"), 0, Fault::Form);
    refused(&patched(&whole, 0, 108, b"0000001"), 0, Fault::Form);
    refused(&patched(&whole, 0, 157, b"x"), 0, Fault::Form);
    refused(&patched(&whole, 0, 257, b"ustar  "), 0, Fault::Form);
    refused(&patched(&whole, 0, 265, b"root"), 0, Fault::Form);
    refused(&patched(&whole, 0, 345, b"/etc"), 0, Fault::Form);
    refused(&patched(&whole, 0, 500, b"x"), 0, Fault::Form);
    refused(&patched(&whole, 0, 124, b"77777777777"), end, Fault::Truncated);

    // The streamed member: blocks 2 (extended header), 3 (records), 4 (header).
    let records = |text: &[u8]| {
        let mut bytes = whole.clone();
        bytes[3 * 512..4 * 512].fill(0);
        bytes[3 * 512..][..text.len()].copy_from_slice(text);
        bytes
    };
    refused(&records(b"11 path=a\n"), 1024, Fault::Extended);
    refused(&records(b"12 size=512"), 1024, Fault::Extended);
    refused(&records(b"12 size=x12\n"), 1024, Fault::Extended);
    refused(&records(b"10 size=\n"), 1024, Fault::Extended);
    refused(&records(b"12 size=512\n12 size=512\n"), 1024, Fault::Extended);
    refused(&records(b"12 size=512\n\0x"), 1024, Fault::Extended);
    refused(&records(b"13 size=0512\n"), 1024, Fault::Form);
    refused(&records(b"12 size=513\n"), 1024, Fault::Form);
    refused(&records(b"27 size=4611686018427387905\n"), 1024, Fault::Size { size: (1 << 62) + 1 });
    refused(&records(b"28 size=99999999999999999999\n"), 1024, Fault::Size { size: u64::MAX });
    refused(&patched(&whole, 4, 156, b"x"), 1024, Fault::Extended);
    refused(&patched(&whole, 4, 156, b"2"), 1024, Fault::NotRegular { flag: b'2' });
    refused(&patched(&whole, 2, 0, b"X"), 1024, Fault::Form);
}

#[test]
fn a_second_member_of_a_name_is_refused() {
    let twice = container(&[("a", Plain, b"1"), ("b", Plain, b"2"), ("a", Streamed, b"3")]);
    refused(&twice, 2048, Fault::DuplicateName);
}

#[test]
fn nothing_follows_an_error() {
    let twice = container(&[("a", Plain, b"1"), ("a", Plain, b"2"), ("b", Plain, b"3")]);
    let results: Vec<bool> = members(&twice).map(|member| member.is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn the_number_of_members_is_bounded() {
    // Endless empty members, made as they are asked for.
    let read = |offset: u64, length: usize| {
        assert_eq!(length, 512);
        Ok::<_, ()>(member_head(&format!("{offset}"), 0, 0).unwrap().to_vec())
    };
    let mut scanner = Scanner::new(u64::MAX, read);
    let sound = scanner.by_ref().take(CONTAINER_MEMBERS_MAX).filter(Result::is_ok).count();
    assert_eq!(sound, CONTAINER_MEMBERS_MAX);
    let offset = 512 * CONTAINER_MEMBERS_MAX as u64;
    assert_eq!(scanner.next(), Some(Err(ContainerError { offset, fault: Fault::TooManyMembers }.into())));
}

#[test]
fn a_container_too_large_for_memory_is_scanned_by_its_heads() {
    let (size, mut asked) = (20 << 30, 0);
    let head = streamed_head("t/large", size, MTIME).unwrap();
    let length = 1536 + size + 1024;
    let scanner = Scanner::new(length, |offset, count| {
        asked += count;
        match offset {
            0..1536 => Ok(head[offset as usize..][..count].to_vec()),
            _ if offset >= 1536 + size => Ok(vec![0; count]),
            _ => Err(offset),
        }
    });
    let found: Result<Vec<MemberHead>, ReadError<u64>> = scanner.collect();
    let member = MemberHead { name: "t/large".into(), head_offset: 0, data_offset: 1536, size, mtime: MTIME };
    assert_eq!(found, Ok(vec![member]));
    assert_eq!(asked, 1536 + 1024);
}

#[test]
fn failures_and_short_answers_of_the_source_are_told_apart() {
    let first = |read: fn(u64, usize) -> Result<Vec<u8>, &'static str>| Scanner::new(2048, read).next();
    assert_eq!(first(|_, _| Err("EIO")), Some(Err(ReadError::Read("EIO"))));
    let truncated = ContainerError { offset: 2048, fault: Fault::Truncated };
    assert_eq!(first(|_, count| Ok(vec![0; count - 1])), Some(Err(truncated.into())));
}

#[test]
fn gnu_tar_lists_and_extracts_the_same() {
    let Ok(version) = Command::new("tar").arg("--version").output() else {
        eprintln!("SKIPPED: no `tar` on this machine, so no foreign reader judged our containers");
        return;
    };
    if !String::from_utf8_lossy(&version.stdout).contains("GNU tar") {
        eprintln!("SKIPPED: `tar` is not GNU tar, so no foreign reader judged our containers");
        return;
    }
    let large: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    let files: [(&str, Form, &[u8]); 4] =
        [("sae1/one", Plain, b"hello"), ("sae1/two", Streamed, &large), ("three", Plain, b""), ("four", Streamed, b"")];
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("container-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let archive = directory.join("container.tar");
    std::fs::write(&archive, container(&files)).unwrap();

    let tar = |args: &[&str]| {
        let mut command = Command::new("tar");
        command.env("TZ", "UTC").env("LC_ALL", "C").current_dir(&directory).args(args);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let listing = tar(&["--full-time", "--numeric-owner", "-tvf", "container.tar"]);
    let lines: Vec<String> = listing.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "-r--r--r-- 0/0 5 2026-10-26 07:33:20 sae1/one",
            "-r--r--r-- 0/0 100000 2026-10-26 07:33:20 sae1/two",
            "-r--r--r-- 0/0 0 2026-10-26 07:33:20 three",
            "-r--r--r-- 0/0 0 2026-10-26 07:33:20 four",
        ]
    );
    tar(&["--no-same-owner", "-xf", "container.tar"]);
    for (name, _, data) in files {
        assert_eq!(std::fs::read(directory.join(name)).unwrap(), data, "{name}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn gnu_tar_reads_a_member_above_8_gib() {
    if Command::new("tar").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no `tar` on this machine, so no foreign reader judged a large member");
        return;
    }
    // A sparse file: the head says 9 GiB, and the file system holds two blocks of it.
    use std::io::{Seek, SeekFrom, Write};
    let size = 9u64 << 30;
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("large-{}.tar", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&streamed_head("large", size, MTIME).unwrap()).unwrap();
    file.seek(SeekFrom::Current(size as i64)).unwrap();
    file.write_all(&END).unwrap();
    drop(file);
    let output = Command::new("tar").env("LC_ALL", "C").arg("-tvf").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(listing.contains(" 9663676416 "), "{listing}{}", String::from_utf8_lossy(&output.stderr));
}

proptest! {
    #[test]
    fn members_of_any_size_come_back(sizes in prop::collection::vec((any::<bool>(), 0usize..1500), 0..8)) {
        let data: Vec<(String, bool, Vec<u8>)> =
            sizes.iter().enumerate().map(|(i, (streamed, size))| (format!("m/{i}"), *streamed, vec![i as u8; *size])).collect();
        let parts: Vec<(&str, Form, &[u8])> = data
            .iter()
            .map(|(name, streamed, data)| (name.as_str(), if *streamed { Streamed } else { Plain }, data.as_slice()))
            .collect();
        let found = read(&container(&parts)).unwrap();
        let found: Vec<(String, Vec<u8>)> = found.into_iter().map(|(name, _, data)| (name, data)).collect();
        let expected: Vec<(String, Vec<u8>)> = data.into_iter().map(|(name, _, data)| (name, data)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000), position in 0usize..4000, byte: u8) {
        let _ = read(&bytes);
        let mut whole = three();
        let position = position % whole.len();
        whole[position] = byte;
        let _ = read(&patched(&whole, position / 512, 0, b""));
    }

    #[test]
    fn every_name_made_is_read(name in "[-._/a-c]{1,9}") {
        match member_head(&name, 0, 0) {
            Ok(_) => prop_assert_eq!(read(&container(&[(&name, Plain, b"x")])).unwrap()[0].0.clone(), name),
            Err(error) => prop_assert!(matches!(error, HeadError::Name(NameError::Absolute | NameError::Element))),
        }
    }
}
