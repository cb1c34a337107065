//! Positions demanded of the views.

use connectors::http::Profile;
use schemas::ErrorCode;

use crate::caller::{Caller, USER, until};

#[tokio::test]
async fn a_get_waits_for_the_position_it_demands() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let path = format!("/api/v1/wallets/{USER}/USD");
    for (query, header) in
        [("?min_position=0-900", None), ("", Some("0-900, 1-900")), ("", Some("1-901"))]
    {
        let asking = tokio::spawn({
            let (caller, path) = (caller.clone(), format!("{path}{query}"));
            let headers: Vec<_> =
                header.map(|text| ("Holdfast-Position", text)).into_iter().collect();
            async move { caller.get(&path, &headers).await }
        });
        until(|| caller.ledger.watchers() == 1).await;
        for position in ["0-1", "0-900", "1-900", "1-902"] {
            caller.ledger.apply(position.parse().unwrap());
        }
        assert_eq!(asking.await.unwrap().status, 200);
        for position in ["0-1", "1-1"] {
            caller.ledger.apply(position.parse().unwrap());
        }
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_is_a_conflict_that_passes() {
    let caller = Caller::impatient().with_wallet().await;
    let opened = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
    let seen = opened.header("holdfast-position").unwrap();
    let wallet = opened.text("id");
    for path in [
        format!("/api/v1/wallets/{wallet}"),
        format!("/api/v1/wallets/{USER}/USD"),
        format!("/api/v1/wallets/{wallet}/transactions"),
        "/api/v1/payments".to_owned(),
    ] {
        assert_eq!(caller.get(&format!("{path}?min_position={seen}"), &[]).await.status, 200);
        let far = format!("{seen}, 7-12");
        let answer = caller.get(&path, &[("Holdfast-Position", &far)]).await;
        answer.assert_refused(ErrorCode::PositionNotReached);
        assert!(answer.text("detail").contains("7-12"));
    }
}
