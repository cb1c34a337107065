//! Health, truthful; and a real server that starts and stops.

use std::sync::Arc;
use std::time::Duration;

use connectors::http::{Profile, health_router, serve};
use connectors::ports::{Component, ComponentStatus};
use schemas::{ErrorCode, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::caller::{Caller, PATIENT};
use crate::ledger::Ledger;

fn component(name: &'static str, status: ComponentStatus) -> Component {
    let checked_at = Timestamp::from_millis(1_767_323_045_678);
    Component { name, status, detail: format!("{name} says so"), checked_at }
}

#[tokio::test]
async fn ready_means_that_every_part_does_its_work() {
    use ComponentStatus::{Degraded, Failing, Ok, Starting};
    let caller = Caller::new(Profile::Dev);
    for (log, views, status, overall) in [
        (Ok, Ok, 200, "ok"),
        (Ok, Degraded, 200, "degraded"),
        (Ok, Starting, 503, "starting"),
        (Failing, Starting, 503, "failing"),
        (Failing, Degraded, 503, "failing"),
        (Failing, Ok, 503, "failing"),
    ] {
        caller.ledger.set_health(vec![component("log", log), component("views", views)]);
        for path in ["/ready", "/health", "/healthz"] {
            let answer = caller.get(path, &[]).await;
            assert_eq!((answer.status.as_u16(), answer.text("status")), (status, overall));
            let views = &answer.body["components"][1];
            assert_eq!(views["detail"], "views says so");
            assert_eq!(views["checked_at"], "2026-01-02T03:04:05.678Z");
            assert!(answer.header("request-id").is_some());
        }
        let live = caller.get("/live", &[]).await;
        assert_eq!((live.status.as_u16(), live.body), (200, json!({ "status": "ok" })));
    }
}

#[tokio::test]
async fn a_process_without_the_api_answers_about_its_health_and_says_so() {
    let caller = Caller::new(Profile::Dev);
    let router = health_router(Arc::<Ledger>::clone(&caller.ledger));
    // The document is about processes with the API.
    let caller = Caller { router, ledger: caller.ledger, faults: |_, _, _, _| Vec::new() };
    caller.ledger.set_health(vec![component("shards", ComponentStatus::Starting)]);
    assert_eq!(caller.get("/live", &[]).await.status, 200);
    assert_eq!(caller.get("/ready", &[]).await.status, 503);
    caller.post("/ready", &json!({}), &[]).await.assert_refused(ErrorCode::MethodNotAllowed);
    for path in ["/api/v1/payments", "/api/v1/wallets/1", "/nowhere"] {
        let answer = caller.get(path, &[]).await;
        answer.assert_refused(ErrorCode::NotFound);
        assert!(answer.text("detail").contains("role api"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_finishes_what_is_under_way_and_stops() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, caller.router.clone(), async {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let live = client.get(format!("http://{address}/live")).send().await.unwrap();
    assert_eq!(live.status().as_u16(), 200);

    caller.ledger.reply(crate::ledger::Reply::Silence);
    let paying = tokio::spawn(
        client
            .post(format!("http://{address}/api/v1/payments"))
            .json(&crate::caller::payment(1))
            .send(),
    );
    crate::caller::until(|| caller.ledger.waiters() == 1).await;
    stop.send(()).unwrap();
    caller.ledger.decide(&crate::ledger::Reply::Pay(schemas::read_model::PaymentStatus::Completed));
    assert_eq!(paying.await.unwrap().unwrap().status().as_u16(), 201);
    let stopped_in_time = tokio::time::timeout(PATIENT, served).await;
    stopped_in_time.unwrap().unwrap().unwrap();
    let refused = client.get(format!("http://{address}/live")).timeout(Duration::from_secs(5));
    assert!(refused.send().await.is_err());
}
