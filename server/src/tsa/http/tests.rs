//! Authorities that misbehave, each in its way, on a socket of this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::*;

const TIMEOUT: Duration = Duration::from_millis(400);

/// Serves one connection with `respond` and returns what the client made of it.
fn ask(respond: impl FnOnce(TcpStream) + Send + 'static) -> Result<Vec<u8>, AuthorityError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/tsa", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || respond(listener.accept().unwrap().0));
    let authority = HttpAuthority::new("test", &url, TIMEOUT).unwrap();
    let answer = authority.ask(b"request");
    server.join().unwrap();
    answer
}

/// Reads the request to the end of its seven bytes of body.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 512]);
    while !text.ends_with("\r\n\r\nrequest") {
        let n = stream.read(&mut buffer).unwrap();
        assert_ne!(n, 0, "the client closed before its request was whole: {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    text
}

fn reply(head: &'static str, body: Vec<u8>) -> impl FnOnce(TcpStream) {
    move |mut stream| {
        read_request(&mut stream);
        let length = body.len();
        // The client may hang up as soon as it has seen enough.
        _ = stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        _ = stream.write_all(&body);
    }
}

const GOOD: &str = "200 OK\r\nContent-Type: application/timestamp-reply";

#[test]
fn an_answer_comes_back_as_it_was_sent() {
    let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap();
    for body in [b"\x30\x03\x02\x01\x00".to_vec(), Vec::new(), vec![7; limit]] {
        assert_eq!(ask(reply(GOOD, body.clone())), Ok(body));
    }
    let with_parameter = "200 OK\r\nContent-Type: Application/Timestamp-Reply; charset=binary";
    assert_eq!(ask(reply(with_parameter, vec![1])), Ok(vec![1]));
}

#[test]
fn the_request_is_what_the_standard_asks_for() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let answer = ask(move |mut stream| {
        sender.send(read_request(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    assert_eq!(answer, Err(AuthorityError::Status(500)));
    let request = receiver.recv().unwrap();
    assert!(request.starts_with("POST /tsa HTTP/1.1\r\n"), "{request}");
    let headers = request.to_lowercase();
    assert!(headers.contains("\r\ncontent-type: application/timestamp-query\r\n"), "{request}");
    assert!(headers.contains("\r\ncontent-length: 7\r\n"), "{request}");
}

#[test]
fn every_status_but_200_is_refused_and_no_redirect_followed() {
    for (head, status) in [
        ("500 Oops", 500),
        ("404 Not Found", 404),
        ("204 No Content", 204),
        ("302 Found\r\nLocation: file:///etc/passwd", 302),
        ("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", 307),
    ] {
        assert_eq!(ask(reply(head, Vec::new())), Err(AuthorityError::Status(status)), "{head}");
    }
}

#[test]
fn another_type_of_content_is_refused() {
    for head in ["200 OK", "200 OK\r\nContent-Type: text/html", "200 OK\r\nContent-Type: application/timestamp-replyx"]
    {
        assert_eq!(ask(reply(head, b"<html>".to_vec())), Err(AuthorityError::ContentType), "{head}");
    }
}

#[test]
fn a_long_answer_is_cut_off_declared_or_not() {
    let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap();
    assert_eq!(ask(reply(GOOD, vec![0; limit + 1])), Err(AuthorityError::TooLong));
    let endless = ask(|mut stream| {
        read_request(&mut stream);
        stream.write_all(format!("HTTP/1.1 {GOOD}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let piece = [0; 8 << 10];
        // Until the client hangs up.
        while stream.write_all(&piece).is_ok() {}
    });
    assert_eq!(endless, Err(AuthorityError::TooLong));
}

#[test]
fn a_slow_authority_is_given_up_in_time() {
    let silent = |mut stream: TcpStream| {
        read_request(&mut stream);
        std::thread::sleep(TIMEOUT * 2);
    };
    let dripping = |mut stream: TcpStream| {
        read_request(&mut stream);
        let head = format!("HTTP/1.1 {GOOD}\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(TIMEOUT / 10);
        }
    };
    let started = Instant::now();
    assert_eq!(ask(silent), Err(AuthorityError::Unreachable));
    assert_eq!(ask(dripping), Err(AuthorityError::Unreachable));
    assert!(started.elapsed() < TIMEOUT * 8, "{:?}", started.elapsed());
}

#[test]
fn a_broken_or_absent_authority_is_unreachable() {
    assert_eq!(ask(drop), Err(AuthorityError::Unreachable));
    let garbage = |mut stream: TcpStream| {
        read_request(&mut stream);
        stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").unwrap();
    };
    assert_eq!(ask(garbage), Err(AuthorityError::Unreachable));
    let short = |mut stream: TcpStream| {
        read_request(&mut stream);
        stream.write_all(format!("HTTP/1.1 {GOOD}\r\nContent-Length: 100\r\n\r\nabc").as_bytes()).unwrap();
    };
    assert_eq!(ask(short), Err(AuthorityError::Unreachable));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = HttpAuthority::new("test", &format!("http://{port}/"), TIMEOUT).unwrap();
    assert_eq!(nobody.ask(b"request"), Err(AuthorityError::Unreachable));
}
