//! Tests of ids: golden values that producers in other languages must get too.

use super::*;

fn wallet() -> WalletId {
    let user = "123e4567-e89b-12d3-a456-426614174000".parse().expect("valid");
    let currency = "USD".parse().expect("valid");
    WalletId::derive(&TenantId::default_tenant(), &user, currency, &WalletLabel::main())
}

/// What docs/ids.md tells producers in other languages, and what stands in every log already.
#[test]
fn golden() {
    let mut rows = 0;
    for line in include_str!("../avro/golden/ids.tsv").lines() {
        if line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let [tenant, user, currency, label, key, ids @ ..] = &columns[..] else {
            panic!("{line}");
        };
        let tenant: TenantId = tenant.parse().expect("a tenant");
        let key: IdempotencyKey = key.parse().expect("a key");
        let wallet = WalletId::derive(
            &tenant,
            &user.parse().expect("a user"),
            currency.parse().expect("a currency"),
            &label.parse().expect("a label"),
        );
        let payment = PaymentId::derive(&tenant, wallet, &key);
        let found = [
            wallet.to_string(),
            payment.to_string(),
            DepositId::derive(&tenant, wallet, &key).to_string(),
            OperationId::attempt(&tenant, payment, 1).to_string(),
        ];
        assert_eq!(found, ids, "{line}");
        rows += 1;
    }
    assert!(rows >= 10, "the golden table has rows");
}

/// The same for what version 2 adds.
#[test]
fn golden_v2() {
    let mut rows = 0;
    for line in include_str!("../avro/golden/v2/ids.tsv").lines() {
        if line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let [tenant, user, currency, label, key, ids @ ..] = &columns[..] else {
            panic!("{line}");
        };
        let tenant: TenantId = tenant.parse().expect("a tenant");
        let key: IdempotencyKey = key.parse().expect("a key");
        let (user, currency) = (user.parse().expect("a user"), currency.parse().expect("valid"));
        let wallet = WalletId::derive(&tenant, &user, currency, &label.parse().expect("a label"));
        let payment = PaymentId::derive(&tenant, wallet, &key);
        let attempt = OperationId::attempt(&tenant, payment, 1);
        let found = [
            WithdrawalId::derive(&tenant, wallet, &key).to_string(),
            TransferId::derive(&tenant, wallet, &key).to_string(),
            RefundId::derive(&tenant, payment, &key).to_string(),
            OperationId::attempt(&tenant, payment, 2).to_string(),
            RefundId::of_charge(&tenant, payment, attempt).to_string(),
        ];
        assert_eq!(found, ids, "{line}");
        rows += 1;
    }
    assert!(rows >= 10, "the golden table has rows");
}

#[test]
fn a_wallet_id_survives_its_text_in_one_form_only() {
    let text = wallet().to_string();
    assert_eq!(text.parse::<WalletId>(), Ok(wallet()));
    assert!(text.to_uppercase().parse::<WalletId>().is_err());
    assert!(text.replace('-', "").parse::<WalletId>().is_err());
}

#[test]
fn a_derived_id_lives_on_the_shard_of_its_wallet() {
    for shards in 1..50 {
        let count = PartitionCount::try_from(shards).expect("valid");
        for key in ["a", "b", "order-1"] {
            let key = key.parse().expect("valid");
            let payment = PaymentId::derive(&TenantId::default_tenant(), wallet(), &key);
            assert_eq!(payment.shard(count), wallet().shard(count));
        }
    }
}

#[test]
fn a_derived_id_is_a_version_8_uuid_and_depends_on_every_part() {
    let tenant = TenantId::default_tenant();
    let key: IdempotencyKey = "order-1".parse().expect("valid");
    let payment = PaymentId::derive(&tenant, wallet(), &key);
    assert_eq!(payment.to_string().as_bytes()[14], b'8');
    let other_tenant = "other".parse().expect("valid");
    assert_ne!(payment, PaymentId::derive(&other_tenant, wallet(), &key));
    let other_key = "order-2".parse().expect("valid");
    assert_ne!(payment, PaymentId::derive(&tenant, wallet(), &other_key));
    let deposit = DepositId::derive(&tenant, wallet(), &key);
    assert_ne!(payment.as_bytes(), deposit.as_bytes());
    let attempts = [1, 2].map(|number| OperationId::attempt(&tenant, payment, number));
    assert_ne!(attempts[0], attempts[1]);
}

#[test]
fn texts_have_an_alphabet_and_a_length() {
    assert!("".parse::<UserId>().is_err());
    assert!("a b".parse::<UserId>().is_err());
    assert!("x".repeat(65).parse::<UserId>().is_err());
    assert!("Main".parse::<WalletLabel>().is_err());
    assert!("savings_2".parse::<WalletLabel>().is_ok());
    assert!("key with space".parse::<IdempotencyKey>().is_err());
    assert!("x".repeat(255).parse::<IdempotencyKey>().is_ok());
    assert!("x".repeat(256).parse::<IdempotencyKey>().is_err());
}
