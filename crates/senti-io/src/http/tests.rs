//! The client against servers of a few lines: what is tried again, when, and what is said.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// Answers the n-th connection with `answer(n, request)`, and closes it.
fn server(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let n = counter.fetch_add(1, Ordering::SeqCst);
            let request = request(&stream);
            let _ = (&stream).write_all(&answer(n, &request));
        }
    });
    (address, asked)
}

/// Head and body of a request.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head += &line;
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    head + "\r\n" + &String::from_utf8_lossy(&body)
}

fn said(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn client() -> Http {
    let limits = Limits {
        answer: Duration::from_secs(5),
        backoff: 0.01,
        jitter: 0.01,
        tries: 3,
        ..Limits::default()
    };
    Http::new(limits, &Trust::default(), vec!["s3cret".to_owned()]).expect("a client")
}

#[test]
fn a_failing_server_is_asked_again_and_its_last_answer_is_given() {
    let (address, asked) = server(|n, _| match n {
        0 => said("500 Oops", "", "one"),
        1 => said("503 Busy", "Retry-After: 0\r\n", "two"),
        _ => said(
            "200 OK",
            "Content-Type: Application/JSON; charset=utf-8\r\n",
            "three",
        ),
    });
    let answer = client().send(&Call::get(&address)).expect("an answer");
    assert_eq!((answer.status, &*answer.text()), (200, "three"));
    assert_eq!(answer.media_type, "application/json");
    assert_eq!(asked.load(Ordering::SeqCst), 3);

    let (address, asked) = server(|_, _| said("502 Bad", "", "always"));
    let answer = client().send(&Call::get(&address)).expect("an answer");
    assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (502, 3));
}

#[test]
fn what_must_not_happen_twice_is_not_repeated_when_it_may_have_happened() {
    for (status, times) in [
        ("500 Oops", 1),
        ("504 Late", 1),
        ("429 Slowly", 3),
        ("400 No", 1),
    ] {
        let (address, asked) = server(move |_, _| said(status, "", ""));
        let call = Call::post(&address).content(Content::Json(b"{}")).once();
        client().send(&call).expect("an answer");
        assert_eq!(asked.load(Ordering::SeqCst), times, "{status}");
    }
    // cut off in the middle of an answer
    let cut = || b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let (address, asked) = server(move |_, _| cut());
    client()
        .send(&Call::post(&address).once())
        .expect_err("cut off");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (address, asked) = server(move |_, _| cut());
    client().send(&Call::post(&address)).expect_err("cut off");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[test]
fn retry_after_is_honoured_and_too_long_a_pause_is_not_waited_for() {
    let (address, _) = server(|n, _| match n {
        0 => said("429 Slowly", "Retry-After: 1\r\n", ""),
        _ => said("200 OK", "", ""),
    });
    let begun = Instant::now();
    client().send(&Call::get(&address)).expect("an answer");
    assert!(
        begun.elapsed() >= Duration::from_millis(950),
        "{:?}",
        begun.elapsed()
    );

    let (address, asked) = server(|_, _| said("429 Slowly", "Retry-After: 3600\r\n", ""));
    let answer = client().send(&Call::get(&address)).expect("an answer");
    assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (429, 1));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(3600)));
}

#[test]
fn nobody_there_is_said_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let begun = Instant::now();
    let url = format!("http://me:s3cret@{address}/x?token=s3cret");
    let trouble = client().send(&Call::get(url)).expect_err("nobody");
    assert!(trouble.is_refused() && begun.elapsed() < Duration::from_secs(2));
    let error = Error::from(trouble);
    assert_eq!(
        error.to_string(),
        format!("nobody answers at `http://{address}/x`")
    );
}

#[test]
fn an_answer_that_is_too_large_is_refused() {
    let (address, _) = server(|_, _| said("200 OK", "", &"x".repeat(5_000_000)));
    let small = client().limited(|limits| limits.most_bytes = 1 << 20);
    let error = Error::from(small.send(&Call::get(&address)).expect_err("too large"));
    assert!(
        error
            .to_string()
            .ends_with("answers with more than 1.0 MiB"),
        "{error}"
    );
    // a download is not held in memory
    let (_, written) = small
        .download(&Call::get(&address), || Ok(std::io::sink()))
        .expect("written");
    assert_eq!(written, 5_000_000);
}

#[test]
fn a_download_that_was_cut_off_begins_anew() {
    let (address, _) = server(|n, _| match n {
        0 => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(),
        _ => said("200 OK", "", "0123456789"),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    client()
        .download(&Call::get(&address), || std::fs::File::create(&path))
        .expect("downloaded");
    assert_eq!(
        std::fs::read_to_string(&path).expect("a file"),
        "0123456789"
    );
}

#[test]
fn content_arrives_as_it_was_sent() {
    let (address, _) = server(|_, request| said("200 OK", "", request));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, "of a file").expect("written");
    for (content, wanted) in [
        (Content::Json(b"{\"a\":1}"), "{\"a\":1}"),
        (Content::Bytes(b"plain"), "plain"),
        (Content::File(&path), "of a file"),
        (Content::Nothing, ""),
    ] {
        let call = Call::put(&address)
            .header("x-own", "value")
            .content(content);
        let answer = client().send(&call).expect("an answer");
        let text = answer.text();
        assert!(
            text.contains("x-own: value") && text.ends_with(&format!("\r\n{wanted}")),
            "{text}"
        );
        assert_eq!(
            text.contains("application/json"),
            matches!(content, Content::Json(_))
        );
    }
}

#[test]
fn a_slow_server_is_given_up_and_a_stop_is_heard() {
    let (address, _) = server(|_, _| {
        std::thread::sleep(Duration::from_secs(5));
        Vec::new()
    });
    let begun = Instant::now();
    let hasty = client().limited(|limits| {
        limits.answer = Duration::from_millis(200);
        limits.tries = 2;
    });
    let error = Error::from(hasty.send(&Call::get(&address)).expect_err("slow"));
    assert!(
        error
            .to_string()
            .ends_with("took too long: no answer in time"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(3));

    let stopped = client().stopping(|| true);
    assert!(
        stopped
            .send(&Call::get(&address))
            .expect_err("stopped")
            .is_stopped()
    );
    let late = client().until(Instant::now());
    assert!(
        late.send(&Call::get(&address))
            .expect_err("late")
            .is_stopped()
    );
}

#[test]
fn a_post_is_never_turned_into_a_question() {
    let (address, asked) =
        server(|_, _| said("302 Found", "Location: http://127.0.0.1:1/else\r\n", ""));
    let answer = client().send(&Call::post(&address)).expect("an answer");
    assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (302, 1));
    assert_eq!(answer.location.as_deref(), Some("http://127.0.0.1:1/else"));
}

#[test]
fn a_question_with_a_key_stays_where_it_was_sent() {
    let (other, asked_there) = server(|_, _| said("200 OK", "", "there"));
    let (address, _) =
        server(move |_, _| said("302 Found", &format!("Location: {other}/else\r\n"), ""));
    let call = Call::get(&address).header("x-key", "k");
    let answer = client().send(&call.clone().stay()).expect("an answer");
    assert_eq!(
        (answer.status, asked_there.load(Ordering::SeqCst)),
        (302, 0)
    );
    // without that word it follows
    let answer = client().send(&call).expect("an answer");
    assert_eq!(
        (&*answer.text(), asked_there.load(Ordering::SeqCst)),
        ("there", 1)
    );
}

#[test]
fn all_clones_keep_to_one_pace() {
    let (address, asked) = server(|_, _| said("200 OK", "", ""));
    let paced = client().paced(Pace::new(10.0));
    let begun = Instant::now();
    for client in [&paced, &paced.clone(), &paced.clone()] {
        client.send(&Call::get(&address)).expect("an answer");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(
        begun.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn secrets_are_blotted_out() {
    assert_eq!(client().redact("token s3cret here"), "token *** here");
}

/// Answers every TLS connection with `200 OK`, with a certificate that nobody knows; its address and the certificate (PEM).
fn secure_server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("protocols")
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key.expect("a key"))
    .expect("a server");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Ok(mut session) = rustls::ServerConnection::new(Arc::clone(&config)) else {
                continue;
            };
            let mut secure = rustls::Stream::new(&mut session, &mut stream);
            let mut head = [0; 1024];
            if secure.read(&mut head).is_ok() {
                let _ = secure.write_all(&said("200 OK", "", "secure"));
                session.send_close_notify();
                let _ = session.complete_io(&mut stream);
            }
        }
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

#[test]
fn only_certificates_that_are_believed_are_believed() {
    let (address, certificate) = secure_server();
    let ask = |trust: &Trust| {
        let limits = Limits {
            tries: 1,
            ..Limits::default()
        };
        let http = Http::new(limits, trust, Vec::new())?;
        http.send(&Call::get(&address)).map_err(Error::from)
    };
    let error = ask(&Trust::default()).expect_err("a stranger");
    let wanted = format!("the certificate of `{address}` is not trusted");
    assert!(error.to_string().starts_with(&wanted), "{error}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("roots.pem");
    std::fs::write(&path, certificate).expect("written");
    let known = Trust {
        roots: Some(path.clone()),
        ..Trust::default()
    };
    assert_eq!(ask(&known).expect("known").text(), "secure");
    let anybody = Trust {
        anybody: true,
        ..Trust::default()
    };
    assert_eq!(ask(&anybody).expect("anybody").text(), "secure");

    std::fs::write(&path, "no certificate").expect("written");
    let error = ask(&known).expect_err("no certificate");
    assert!(
        error.to_string().ends_with("holds no certificate"),
        "{error}"
    );
}
