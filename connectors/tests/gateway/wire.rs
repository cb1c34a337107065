//! Connections that fail and bytes that are no answer of the gateway.

use std::time::Duration;

use connectors::gateway::operation::{OperationAnswer, OperationRequest};
use connectors::gateway::simulator_client::SimulatorGateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::harness::{Class, Running, class, inquiry, submit};

#[tokio::test]
async fn a_refused_connection_was_not_sent_but_an_inquiry_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = SimulatorGateway::new(&url).unwrap();
    let operation = submit(10_000);
    assert_eq!(class(&gateway.perform(&operation).await), Class::NotSent);
    assert_eq!(class(&gateway.perform(&inquiry(&operation)).await), Class::Unknown);

    let gateway = SimulatorGateway::new("http://no-such-host.invalid").unwrap();
    assert_eq!(class(&gateway.perform(&operation).await), Class::NotSent);
}

#[tokio::test]
async fn a_charge_of_another_payment_under_our_key_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let operation = submit(10_000);
    assert_eq!(class(&running.gateway().perform(&operation).await), Class::Success);
    let foreign = [
        OperationRequest { payment_id: Uuid::new_v4(), ..operation.clone() },
        OperationRequest { attempt_id: Uuid::new_v4(), ..operation.clone() },
    ];
    for foreign in foreign {
        let answer = running.gateway().perform(&inquiry(&foreign)).await;
        assert_eq!(class(&answer), Class::Unknown, "{answer:?}");
        assert_eq!(class(&running.gateway().perform(&foreign).await), Class::Unknown);
    }
    running.stop().await;
}

/// A peer that answers one connection with these bytes, whatever was asked, and then closes it.
async fn answered_with(bytes: Vec<u8>, operation: &OperationRequest) -> OperationAnswer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway =
        SimulatorGateway::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let peer = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        assert!(connection.read(&mut request).await.unwrap() > 0);
        // The client may hang up on an answer that is too long.
        let _ = connection.write_all(&bytes).await;
        drop(connection);
        listener.accept().await
    };
    tokio::select! {
        second = peer => panic!("the client tried again: {second:?}"),
        answer = gateway.perform(operation) => answer,
    }
}

#[tokio::test]
async fn bytes_that_are_no_answer_of_the_gateway_are_unknown() {
    let http = |status: &str, head: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n{body}").into_bytes()
    };
    let html = "<html>Found</html>";
    let answers = [
        Vec::new(),
        b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"id\":".to_vec(),
        b"\x16\x03\x01 not HTTP".to_vec(),
        http("302 Found", "Location: /v1/charges\r\n", html),
        http("307 Temporary Redirect", "Location: /v1/charges\r\n", html),
        http("200 OK", "", html),
        http("200 OK", "", &"x".repeat(1024 * 1024)),
        http("200 OK", "", r#"{"found":true,"idempotency_key":"k"}"#),
        http("200 OK", "", r#"{"found":false,"idempotency_key":"of another"}"#),
        http("204 No Content", "", ""),
        http("404 Not Found", "", html),
        http("502 Bad Gateway", "", r#"{"error":{"code":"x"},"processed":false}"#),
    ];
    for bytes in answers {
        let operation = submit(10_000);
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        for operation in [inquiry(&operation), operation] {
            let answer = answered_with(bytes.clone(), &operation).await;
            assert_eq!(class(&answer), Class::Unknown, "{begin} {:?} {answer:?}", operation.kind);
        }
    }
}

#[test]
fn a_base_url_that_is_none_is_refused_without_its_password() {
    for url in ["", "gateway", "ftp://gateway", "mailto:a@b", "http://user:secret@"] {
        let refused = SimulatorGateway::new(url).unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}

/// Reads one request and answers that nothing is known of its key.
async fn answer_not_found(connection: &mut TcpStream, key: &str) {
    let mut request = vec![0; 4096];
    assert!(connection.read(&mut request).await.unwrap() > 0);
    let body = format!(r#"{{"found":false,"idempotency_key":"{key}"}}"#);
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    connection.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_kept_connection_is_replaced_when_it_was_closed_and_lost_when_it_breaks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway =
        SimulatorGateway::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let operation = submit(10_000);
    let key = operation.idempotency_key.as_str();
    let asked = inquiry(&operation);
    let first = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        answer_not_found(&mut connection, key).await;
        connection
    };
    let (answer, connection) = tokio::join!(gateway.perform(&asked), first);
    assert_eq!(class(&answer), Class::NotFound);

    // Closed between two calls: nothing was sent on it, so that another one may be made.
    drop(connection);
    tokio::task::yield_now().await;
    let second = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        answer_not_found(&mut connection, key).await;
        connection
    };
    let (answer, mut connection) = tokio::join!(gateway.perform(&asked), second);
    assert_eq!(class(&answer), Class::NotFound);

    // Closed when the request was there: it is not sent again.
    let third = async {
        let mut request = vec![0; 4096];
        assert!(connection.read(&mut request).await.unwrap() > 0);
        drop(connection);
        listener.accept().await
    };
    tokio::select! {
        again = third => panic!("the client tried again: {again:?}"),
        answer = gateway.perform(&operation) => assert_eq!(class(&answer), Class::Unknown),
    }
}

#[tokio::test]
async fn nothing_is_sent_for_a_call_whose_time_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway =
        SimulatorGateway::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let late = OperationRequest { call_timeout: Duration::ZERO, ..submit(10_000) };
    let answer = tokio::select! {
        called = listener.accept() => panic!("{called:?}"),
        answer = gateway.perform(&late) => answer,
    };
    assert_eq!(class(&answer), Class::NotSent);
}
