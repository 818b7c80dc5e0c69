//! Somebody else's authority: `openssl ts -reply` behind HTTP, from the request to the proof.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::running::{Archive, run};

/// The authority's policy, in the arc for examples (RFC 5612).
const POLICY: &str = "1.3.6.1.4.1.32473.7";

const CONFIG: &str = "
[tsa]
default_tsa = it
[it]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.32473.7
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
ess_cert_id_chain = no
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[unit]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// A real authority of openssl's in a folder.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// `None` where there is no openssl.
    fn make(folder: PathBuf) -> Option<Self> {
        let has_openssl = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        if !has_openssl.is_ok_and(|status| status.success()) {
            eprintln!("openssl is missing: no foreign authority was asked");
            return None;
        }
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tsa.cnf"), CONFIG).unwrap();
        std::fs::write(folder.join("serial"), "01\n").unwrap();
        let authority = Self { folder };
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config tsa.cnf";
        authority.openssl(&format!(
            "req -x509 {new_key} -keyout ca.key -out root.pem -days 3650 -subj /CN=Root -extensions root"
        ));
        authority.openssl(&format!("req {new_key} -keyout unit.key -out unit.csr -subj /CN=Unit"));
        authority.openssl("x509 -req -in unit.csr -CA root.pem -CAkey ca.key -CAcreateserial -out unit.pem -days 3650 -extfile tsa.cnf -extensions unit");
        Some(authority)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").current_dir(&self.folder).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Serves for as long as the test runs; returns the address.
    fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| self.answer(stream)));
        url
    }

    fn answer(&self, mut stream: TcpStream) {
        let request = body(&mut stream);
        std::fs::write(self.folder.join("request.tsq"), request).unwrap();
        self.openssl("ts -reply -config tsa.cnf -queryfile request.tsq -inkey unit.key -signer unit.pem -chain root.pem -out reply.tsr");
        let reply = std::fs::read(self.folder.join("reply.tsr")).unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nConnection: close";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", reply.len()).unwrap();
        stream.write_all(&reply).unwrap();
    }
}

/// The body of a request, by its `Content-Length`.
fn body(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "the request is not whole");
        bytes.extend_from_slice(&piece[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap();
        if bytes.len() >= end + 4 + length {
            return bytes[end + 4..].to_vec();
        }
    }
}

fn configure(archive: &Archive, url: &str, root: &Path) {
    let config = archive.root().join("cartulaire.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("development = [\"sha256\"]", "development = []");
    let authority = |algorithm: &str| {
        format!(
            "\n[[time_stamping.{algorithm}]]\nname = \"openssl-{algorithm}\"\nurl = \"{url}\"\npolicies = [\"{POLICY}\"]\ntrust_root = {:?}\n",
            root.to_str().unwrap()
        )
    };
    std::fs::write(&config, text + &authority("sha256") + &authority("sha512")).unwrap();
}

#[test]
fn a_foreign_authority_stamps_both_trees_and_openssl_agrees() {
    let archive = Archive::with_tenant();
    let Some(authority) = Authority::make(archive.beside("authority")) else { return };
    let root = authority.folder.join("root.pem");
    configure(&archive, &authority.serve(), &root);
    archive.write("acte.txt", b"Acte.\n");
    let deposited = archive.json(&["deposit", "acte.txt", "--transfer", "T-1"]).remove(0);
    let id = deposited["archive"].as_str().unwrap();
    archive.json(&["prove", id, "-o", "preuve.zip", "--wait", "30"]);
    let trust = ["--trust", root.to_str().unwrap(), "--log-key", "archive/trust/log.vkey"];
    let outcome = archive.run(&[&["verify", "preuve.zip"], &trust[..]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.out);
    // Another root: the same proof is not proven.
    let outcome = archive.run(&[
        "verify",
        "preuve.zip",
        "--trust",
        "archive/trust/root.pem",
        "--log-key",
        "archive/trust/log.vkey",
    ]);
    assert_eq!(outcome.code, 1, "{}", outcome.out);
    let journal = archive.json(&["journal", "--tenant", "service"]);
    let attested = journal.iter().filter(|entry| entry["type"] == "seal-attested");
    let names: std::collections::BTreeSet<&str> =
        attested.filter_map(|entry| entry["facts"]["algorithm"].as_str()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["sha256", "sha512"]);
}

#[test]
fn deposits_go_on_while_the_authority_is_down() {
    let archive = Archive::with_tenant();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let root = archive.root().join("trust/root.pem");
    configure(&archive, &format!("http://{nobody}/"), &root);
    archive.write("acte.txt", b"Acte.\n");
    let deposited = archive.json(&["deposit", "acte.txt", "--transfer", "T-1"]).remove(0);
    let id = deposited["archive"].as_str().unwrap();
    let outcome = run(&mut archive.command(&["prove", id, "--wait", "1"]));
    let expected = "\
erreur : la preuve de l’archive ARCHIVE n’est pas encore complète.
  Le versement est acquis ; le scellement et l’horodatage suivent. Réessayez, ou allongez --wait.
";
    assert_eq!((outcome.code, archive.plain(&outcome.err).as_str()), (7, expected));
    assert!(!archive.beside(&format!("{id}.zip")).exists());
}
