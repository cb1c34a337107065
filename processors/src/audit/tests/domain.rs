//! A good journal of everything that version 2 knows, written by the ledger.

use std::time::Duration;

use schemas::entry::Entry;
use schemas::event::GatewayOperationRequested;
use schemas::inputs::{OperationBody, ResolvedOutcome};

use crate::scenario::{
    Scenario, cancel, change, charge_of, decline, gateway, limit, not_sent, refund, resolve,
    reverse_deposit, reverse_withdrawal, success, transfer, unknown, wallet_of, withdraw,
};

/// Failover, review, cancel, other amounts, unwanted charges, refunds, transfers, facts of rails,
/// frozen and closed wallets, suspense.
pub(crate) fn journal() -> Vec<Entry> {
    let mut scenario = Scenario::funded(10_000);
    scenario.policy.gateways.push(gateway("second"));
    payments(&mut scenario);
    refunds(&mut scenario);
    transfers(&mut scenario);
    orphans(&mut scenario);
    wallets(&mut scenario);
    scenario.journal
}

fn payments(scenario: &mut Scenario) {
    scenario.operation(limit("user", Some(5_000), Some(9_000), Some(9)));
    // Goes to the second gateway.
    scenario.policy.payment.submits_limit = 1;
    scenario.pay("user", 300, "failover");
    scenario.answer_latest(not_sent());
    scenario.answer_latest(success(300));
    scenario.policy.payment.submits_limit = 3;
    // Charged less, and more.
    scenario.pay("user", 100, "less");
    scenario.answer_latest(success(60));
    scenario.pay("user", 100, "more");
    scenario.answer_latest(success(125));
    // Cancelled.
    scenario.pay("user", 10, "cancelled");
    scenario.command(cancel("user", "cancelled"));
    scenario.answer_latest(not_sent());
    // Failed, and charged after all.
    scenario.pay("user", 200, "late");
    let charge = scenario.asked();
    scenario.fire_next();
    scenario.fire_next();
    scenario.answer_latest(decline());
    scenario.answer(&charge, success(200));
    scenario.answer_latest(success(200));
    // In review, and one of them resolved.
    for key in ["resolved", "review"] {
        scenario.pay("user", 40, key);
        let other = schemas::inputs::GatewayOutcome::Succeeded {
            gateway_reference: "ch_1".to_owned(),
            amount: 40,
            currency: "EUR".to_owned(),
        };
        scenario.answer_latest(other);
    }
    scenario.operation(resolve("user", "resolved", ResolvedOutcome::Succeeded, Some(40)));
}

fn refunds(scenario: &mut Scenario) {
    scenario.pay("user", 400, "refunded");
    scenario.answer_latest(success(400));
    scenario.command(refund("user", "refunded", Some(150), "part"));
    scenario.answer_latest(success(150));
    scenario.command(refund("user", "refunded", Some(10), "declined"));
    scenario.answer_latest(decline());
    scenario.command(refund("user", "refunded", None, "open"));
    scenario.answer_latest(unknown());
}

/// What a gateway says before the payment is asked for.
fn orphans(scenario: &mut Scenario) {
    for (key, outcome) in [("charged", success(30)), ("declined-before", decline())] {
        // Who hears it knows no wallet yet.
        let wallet_id = wallet_of("nobody");
        let charge = GatewayOperationRequested { wallet_id, ..charge_of("user", key, 30) };
        scenario.notify(&charge, outcome);
        scenario.pay("user", 30, key);
        scenario.fire_next();
    }
    // Heard when the payment has ended otherwise: nobody wants the charge.
    scenario.notify(&charge_of("user", "heard-late", 30), success(30));
    scenario.pay("user", 30, "heard-late");
    scenario.answer_latest(decline());
    scenario.fire_next();
    scenario.answer_latest(success(30));
}

fn transfers(scenario: &mut Scenario) {
    for user in ["other", "frozen"] {
        scenario.open(user);
    }
    scenario.operation(change("frozen", OperationBody::FreezeWallet));
    for (to, key) in [("other", "sent"), ("frozen", "refused")] {
        scenario.command(transfer("user", to, 80, key));
        let credit = scenario.legs().pop().expect("a leg");
        scenario.leg(credit.clone());
        let answer = scenario.legs().pop().expect("an answer");
        scenario.leg(credit);
        scenario.leg(answer);
    }
    scenario.command(transfer("user", "other", 5, "held"));
    scenario.operation(change("frozen", OperationBody::UnfreezeWallet));
}

fn wallets(scenario: &mut Scenario) {
    scenario.operation(withdraw("user", 50, "w"));
    scenario.operation(reverse_withdrawal("user", "w"));
    scenario.deposit("user", 20, "bounced");
    scenario.operation(reverse_deposit("user", "bounced"));
    scenario.open("closed");
    scenario.operation(change("closed", OperationBody::CloseWallet));
    scenario.deposit("closed", 70, "for-the-closed");
    scenario.advance(Duration::from_hours(1));
    scenario.pay("user", 30, "under-way");
}
