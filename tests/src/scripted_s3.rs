//! An S3 server that answers what the test says, to see what an adapter makes of it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use cartulaire_engine::store::BucketConfig;

/// What is done with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Read it whole, then close the connection: the answer is lost.
    Lost,
    /// A status and a body.
    Status(u16, &'static str),
    /// To HEAD: an object of that length.
    Size(u64),
    /// To a GET of a range: an object with these bytes, all of them.
    Object(&'static str),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `PUT /bucket/name`, without the query's values.
    pub line: String,
    /// The value of `If-None-Match`.
    pub if_none_match: Option<String>,
}

/// Listens until the process ends; answers 418 once the script is used up.
#[derive(Debug)]
pub struct ScriptedS3 {
    endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedS3 {
    /// Starts with one reply for each request to come, in order.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn start(script: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut script: VecDeque<_> = script.iter().copied().collect();
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that breaks is the client's affair.
                _ = serve(stream, &mut script, &seen);
            }
        });
        Self { endpoint, requests }
    }

    /// How to reach it.
    #[must_use]
    pub fn config(&self) -> BucketConfig {
        BucketConfig {
            endpoint: Some(self.endpoint.clone()),
            bucket: "b".into(),
            region: "us-east-1".into(),
            key_id: "key".into(),
            secret: "secret".into(),
            allow_http: true,
            path_style: true,
            prefix: String::new(),
        }
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: TcpStream, script: &mut VecDeque<Reply>, seen: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut request = Request { line: shown(&first), if_none_match: None };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "if-none-match" => request.if_none_match = Some(value.to_owned()),
            _ => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    answer(stream, script.pop_front().unwrap_or(Reply::Status(418, "the script is used up")))
}

fn shown(first: &str) -> String {
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut line = format!("{method} {path}");
    for (i, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        let name = pair.split('=').next().unwrap_or_default();
        write!(line, "{}{name}", if i == 0 { '?' } else { '&' }).expect("writing to a string");
    }
    line
}

fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    let common = "Connection: close\r\nETag: \"e\"\r\nLast-Modified: Tue, 24 Nov 2026 00:00:00 GMT";
    match reply {
        Reply::Lost => Ok(()),
        Reply::Status(status, body) => {
            write!(stream, "HTTP/1.1 {status} Scripted\r\n{common}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Reply::Size(size) => write!(stream, "HTTP/1.1 200 OK\r\n{common}\r\nContent-Length: {size}\r\n\r\n"),
        Reply::Object(bytes) => {
            let (length, last) = (bytes.len(), bytes.len().saturating_sub(1));
            let range = format!("Content-Range: bytes 0-{last}/{length}");
            write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\n{common}\r\n{range}\r\nContent-Length: {length}\r\n\r\n{bytes}"
            )
        }
    }
}
