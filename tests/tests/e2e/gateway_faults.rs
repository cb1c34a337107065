//! Every way in which the gateway can misbehave, and how the payment ends all the same.

use std::collections::BTreeSet;

use connectors::gateway::simulator::magic::{Booking, MagicAmount, Verdict};
use futures::future::join_all;
use schemas::event::Event;
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;

/// Far more than all magic amounts together, minor units.
const DEPOSIT: i64 = 1_000_000;

/// One misbehaviour, what the payment became, and what the table of magic amounts promises.
struct Story {
    magic: MagicAmount,
    payment_id: String,
}

impl Story {
    /// The code of the decline; none when the gateway charges in the end.
    fn decline(&self) -> Option<&'static str> {
        match self.magic.plan(1).booking {
            Booking::Now(Verdict::Declined(code)) | Booking::Late(Verdict::Declined(code)) => {
                Some(code)
            }
            Booking::Now(Verdict::Succeeded)
            | Booking::Late(Verdict::Succeeded)
            | Booking::None => None,
        }
    }

    /// Whether the first answer, or its absence, leaves open what the gateway did.
    fn is_doubtful(&self) -> bool {
        use MagicAmount as M;
        match self.magic {
            // Slow is slower than the time-out of a call here.
            M::Slow
            | M::VerySlow
            | M::ErrorAfterCharging
            | M::TimeoutAfterCharging
            | M::TimeoutWithoutCharging
            | M::TimeoutThenInquiriesFail
            | M::ResetBeforeCharging
            | M::ResetAfterCharging
            | M::MalformedBody
            | M::ForeignBody
            | M::ProxyPage
            | M::RateLimitedByProxy
            | M::UnavailableOnce
            | M::UnavailableTwice => true,
            // The gateway's own word that it did nothing.
            M::RateLimitedOnce
            | M::UnauthorizedOnce
            | M::DeclineInsufficientFunds
            | M::DeclineExpiredCard
            | M::DeclineDoNotHonor => false,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_misbehaviour_of_the_gateway_ends_as_its_table_says() {
    let installation = Installation::start_with("faults", &QUICK_GATEWAY).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;
    let stories = join_all(MagicAmount::all().map(|magic| pay(&caller, &wallet, magic))).await;
    assert!(stories.len() >= 19, "the table of magic amounts has all its rows");

    let mut captured = 0;
    for story in &stories {
        let payment = caller.settled(&story.payment_id).await;
        let charges = installation.charges_of(&story.payment_id).await;
        let name = format!("{:?}: {payment}", story.magic);
        if let Some(decline_code) = story.decline() {
            assert_eq!(payment["status"], "failed", "{name}");
            assert_eq!(payment["failure"]["code"], "payment_declined", "{name}");
            assert_eq!(payment["failure"]["decline_code"], decline_code, "{name}");
            assert_eq!(charges.len(), 0, "{name}");
        } else {
            assert_eq!(payment["status"], "completed", "{name}");
            assert_eq!(payment["captured_amount"], story.magic.ending(), "{name}");
            assert_eq!(payment["attempts"], 1, "one gateway, one key: {name}");
            assert_eq!(charges.len(), 1, "{name}");
            assert_eq!(payment["gateway_reference"], charges[0].id.as_str(), "{name}");
            captured += story.magic.ending();
        }
        assert_eq!(payment["discrepancies"].as_array().map(Vec::len), Some(0), "{name}");
    }
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - captured));
    check_doubts(&installation, &stories).await;
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.open_holds, 0);
    assert_eq!(report.totals.discrepancies, 0);
}

async fn pay(caller: &Caller, wallet: &Wallet, magic: MagicAmount) -> Story {
    let answer = caller.try_pay(wallet, magic.ending(), &new_key()).await.expect("answered");
    assert_eq!(answer.status, 202, "{magic:?}: {answer:?}");
    Story { magic, payment_id: answer.payment_id().to_owned() }
}

/// An outcome that nobody knows is a doubt in the journal, never a failure; one that is known is
/// never a doubt.
async fn check_doubts(installation: &Installation, stories: &[Story]) {
    let events = journal::events(installation).await;
    let doubted: BTreeSet<String> = events
        .iter()
        .filter_map(|event| {
            let Event::PaymentInDoubt(doubt) = event else { return None };
            Some(doubt.payment_id.to_string())
        })
        .collect();
    for story in stories {
        let is_doubted = doubted.contains(&story.payment_id);
        assert_eq!(is_doubted, story.is_doubtful(), "{:?} in doubt", story.magic);
    }
}
