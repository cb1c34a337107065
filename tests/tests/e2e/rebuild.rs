//! Stores and views are disposable: deleted, the journal gives the same bytes back.

use std::fs;
use std::path::Path;

use tests::caller::new_key;
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::stores::{assert_same_rows, rows, stores};
use topology::views::ViewStore;

#[tokio::test(flavor = "multi_thread")]
async fn deleted_stores_and_views_come_back_as_the_same_bytes() {
    let mut installation = Installation::start_with("rebuild", &QUICK_GATEWAY).await;
    let caller = installation.caller();
    let mut wallets = Vec::new();
    for _ in 0..4 {
        let wallet = caller.wallet_with(20_000).await;
        for amount in [100, 4_002, 4_021, 4_031, 999_999] {
            let answer = caller.try_pay(&wallet, amount, &new_key()).await.expect("answered");
            caller.settled(answer.payment_id()).await;
        }
        wallets.push(wallet);
    }
    let mut seen = Vec::new();
    for wallet in &wallets {
        seen.push(caller.get(&format!("/api/v1/wallets/{}", wallet.id)).await.body);
        seen.push(caller.get(&format!("/api/v1/wallets/{}/transactions", wallet.id)).await.body);
    }
    seen.push(caller.get("/api/v1/payments?limit=100").await.body);
    assert_eq!(installation.stop().await, "exit code 0");
    let entries = journal::entries(&installation).await;
    let state = installation.state_directory();
    let (before, digests) = (rows(&state), digests(&state));
    assert!(before.len() > 100 && !digests.is_empty(), "{} rows, {digests:?}", before.len());

    // Everything, then only the stores, then only the views: each comes back by itself.
    let all = stores(&state);
    let (views, ledgers): (Vec<_>, Vec<_>) = all.iter().partition(|store| is_view(store));
    assert!(!views.is_empty() && !ledgers.is_empty(), "{all:?}");
    for deleted in [all.iter().collect(), ledgers, views] {
        for store in deleted {
            fs::remove_dir_all(store).expect("it is there");
        }
        installation.run().await;
        let mut shown = Vec::new();
        for wallet in &wallets {
            shown.push(caller.get(&format!("/api/v1/wallets/{}", wallet.id)).await.body);
            let path = format!("/api/v1/wallets/{}/transactions", wallet.id);
            shown.push(caller.get(&path).await.body);
        }
        shown.push(caller.get("/api/v1/payments?limit=100").await.body);
        assert_eq!(shown, seen, "what callers see");
        assert_eq!(installation.stop().await, "exit code 0");
        assert_same_rows(&before, &rows(&state));
        assert_eq!(self::digests(&state), digests);
    }
    assert_eq!(journal::entries(&installation).await, entries, "a rebuild writes nothing");
    installation.run().await;
    installation.assert_clean_audit().await;
}

fn is_view(store: &Path) -> bool {
    store.file_name().is_some_and(|name| name.to_string_lossy().starts_with("payments-v"))
}

/// The views' own digests.
fn digests(state: &Path) -> Vec<String> {
    let directories = stores(state).into_iter().filter(|store| is_view(store));
    let digest = |store: std::path::PathBuf| {
        let view = ViewStore::open(store.parent().expect("below the state")).expect("opens");
        view.digest().expect("readable").to_string()
    };
    directories.map(digest).collect()
}
