//! Running `cartulaire`, and making what it prints the same every time.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder with an archive, and the commands on it.
pub struct Archive {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The binary, with nothing of the environment that could tell it something.
pub fn cartulaire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cartulaire"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARTULAIRE_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

impl Archive {
    /// A new archive.
    pub fn new() -> Self {
        let archive = Self { folder: tempfile::tempdir().unwrap() };
        let outcome = run(cartulaire().arg("init").arg(archive.root()).args(["--origin", "log.example"]));
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{outcome:?}");
        archive
    }

    /// A new archive with the tenant `kerlouan`.
    pub fn with_tenant() -> Self {
        let archive = Self::new();
        let outcome = archive.run(&["tenant", "create", "kerlouan", "--name", "Commune de Kerlouan-sur-Mer"]);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        archive
    }

    /// The archive's own folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    /// A path beside the archive.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the archive.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.beside(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cartulaire();
        command.current_dir(self.folder.path()).arg("-c").arg(self.root().join("cartulaire.toml")).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        run(&mut self.command(arguments))
    }

    /// Runs a command that must succeed, with JSON lines as its outcome.
    pub fn json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        json(&mut self.command(arguments))
    }

    /// The text with what differs from run to run replaced.
    pub fn plain(&self, text: &str) -> String {
        plain(text, self.folder.path())
    }
}

pub fn json(command: &mut Command) -> Vec<serde_json::Value> {
    let outcome = run(command.arg("--json"));
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{outcome:?}");
    outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A server running.
pub struct Server {
    child: Child,
    pub url: String,
    lines: std::thread::JoinHandle<Vec<String>>,
}

impl Server {
    /// Starts `serve` on a free port and waits until it listens.
    pub fn start(archive: &Archive) -> Self {
        let mut command = archive.command(&["serve"]);
        command.env("CARTULAIRE_LISTEN__ADDRESS", "127.0.0.1:0").env("CARTULAIRE_LOG__FORMAT", "json");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let mut lines = Vec::new();
        let url = loop {
            let mut line = String::new();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the server ended: {lines:?}");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            lines.push(line);
            if event["message"] == "serving" {
                break event["url"].as_str().unwrap().to_owned();
            }
        };
        let rest = std::thread::spawn(move || {
            lines.extend(reader.lines().map_while(Result::ok));
            lines
        });
        Self { child, url, lines: rest }
    }

    /// A command through the server.
    pub fn command(&self, archive: &Archive, key: &str, arguments: &[&str]) -> Command {
        let mut command = archive.command(arguments);
        command.args(["--server", &self.url]).env("CARTULAIRE_KEY", key);
        command
    }

    /// Asks it to stop; returns how it ended and what it logged.
    pub fn stop(self) -> (ExitStatus, Vec<String>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.wait()
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                self.child.kill().unwrap();
                panic!("the server does not stop");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        (status, self.lines.join().unwrap())
    }
}

/// Replaces identifiers, times, keys, sizes of proofs and the folder by their kind.
pub fn plain(text: &str, folder: &Path) -> String {
    let text = text.replace(folder.to_str().unwrap(), "FOLDER");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let replaced = FORMS.iter().find_map(|(form, name)| matches(rest, form).map(|length| (length, *name)));
        let (length, piece) = replaced.unwrap_or((c.len_utf8(), &rest[..c.len_utf8()]));
        out.push_str(piece);
        rest = &rest[length..];
    }
    out
}

/// Forms: `0` a decimal digit, `%` one or more, `#` a hexadecimal one, `*` base64 of any kind and any length; else itself.
const FORMS: [(&str, &str); 6] = [
    ("########-####-7###-####-############", "ARCHIVE"),
    ("0000-00-00T00:00:00.000Z", "TIME"),
    ("cart_############_*", "SECRET"),
    ("log.example+########+*", "VKEY"),
    ("0000-00-00", "DAY"),
    // How many events of the service's own come before depends on how long a seal took.
    ("écriture %, engagement %", "écriture N, engagement N"),
];

fn matches(text: &str, form: &str) -> Option<usize> {
    let mut length = 0;
    for f in form.bytes() {
        let tail = &text.as_bytes()[length..];
        match f {
            b'*' => length += tail.iter().take_while(|b| b.is_ascii_alphanumeric() || b"-_+/=".contains(b)).count(),
            b'%' => match tail.iter().take_while(|b| b.is_ascii_digit()).count() {
                0 => return None,
                digits => length += digits,
            },
            f => {
                let byte = *tail.first()?;
                let fits = match f {
                    b'0' => byte.is_ascii_digit(),
                    b'#' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                    f => byte == f,
                };
                if !fits {
                    return None;
                }
                length += 1;
            }
        }
    }
    Some(length)
}
