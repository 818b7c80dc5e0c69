//! Nothing huge and nothing secret in the repository.

use crate::tree::{File, Tree};
use crate::violation::Violation;

/// The largest tracked file, in bytes: a clone stays quick, and a larger thing is better made by a command.
const FILE_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Ends of names under which private keys are kept.
const KEY_NAMES: [&str; 6] = [".key", ".p12", ".pfx", ".jks", "id_ed25519", "id_rsa"];

/// How private keys in PEM begin and end; between them stands the algorithm. Spelt so that this file has none.
const PEM_KEY: (&str, &str) = (concat!("-----BE", "GIN "), concat!("PRIVATE", " KEY-----"));

/// Checks sizes, names and contents.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.files().iter().flat_map(|file| [size(file), key(file)].into_iter().flatten()).collect()
}

fn size(file: &File) -> Option<Violation> {
    let advice = format!("{} bytes, over {FILE_BYTES_MAX}: have a command make it", file.bytes.len());
    (file.bytes.len() > FILE_BYTES_MAX).then(|| Violation::new(&file.path, 1, "weight", advice))
}

fn key(file: &File) -> Option<Violation> {
    let by_name = KEY_NAMES.iter().any(|end| file.name().ends_with(end));
    let line = if by_name { Some(0) } else { pem_line(file) }?;
    let advice = "private key: remove it and its history, and have the test make its own";
    Some(Violation::new(&file.path, line + 1, "secret", advice))
}

fn pem_line(file: &File) -> Option<usize> {
    // Lossy, since a key may be embedded in a file that is not text as a whole.
    let text = String::from_utf8_lossy(&file.bytes);
    text.split('\n').position(|line| line.split_once(PEM_KEY.0).is_some_and(|(_, rest)| rest.contains(PEM_KEY.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let (fits, over) = (" ".repeat(FILE_BYTES_MAX), " ".repeat(FILE_BYTES_MAX + 1));
        assert_eq!(places(check, &[("a.bin", &fits), ("b.bin", &over)]), ["b.bin:1: weight"]);
    }

    #[test]
    fn private_keys_are_refused_by_name_and_by_content() {
        for end in KEY_NAMES {
            let path = format!("trust/a{end}");
            assert_eq!(places(check, &[(&path, "")]), [format!("{path}:1: secret")]);
        }
        for algorithm in ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "] {
            let pem = format!("# a\n{}{algorithm}{}\nMII", PEM_KEY.0, PEM_KEY.1);
            assert_eq!(places(check, &[("a.pem", &pem)]), ["a.pem:2: secret"]);
        }
        assert_eq!(places(check, &[("a.pem", &format!("{}CERTIFICATE-----", PEM_KEY.0))]), [""; 0]);
    }
}
