//! When sagas give up, and when they ask a person.

use std::time::Duration;

use clap::Args;
use processors::policy::PaymentTimes;

/// How patient the sagas of payments and refunds are. Their other times are in
/// `processors/src/policy.rs`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sagas")]
pub struct SagaSettings {
    /// How long after its request a payment may be sent to a gateway, again and to the next one, in
    /// milliseconds. Afterwards it fails as soon as it is certain that nothing was charged.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_PAYMENT_DEADLINE_MS",
        default_value_t = milliseconds(PaymentTimes::default().total_deadline),
        value_parser = clap::value_parser!(u64).range(1_000..=86_400_000)
    )]
    pub payment_deadline_ms: u64,

    /// The same of a refund.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_REFUND_DEADLINE_MS",
        default_value_t = milliseconds(PaymentTimes::of_refunds().total_deadline),
        value_parser = clap::value_parser!(u64).range(1_000..=86_400_000)
    )]
    pub refund_deadline_ms: u64,

    /// How long a payment or refund may be in doubt before it needs review: a person must find out
    /// then (docs/operations.md), and the gateway is asked as rarely as this.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_REVIEW_AFTER_MS",
        default_value_t = milliseconds(PaymentTimes::default().review_after),
        value_parser = clap::value_parser!(u64).range(1_000..=86_400_000)
    )]
    pub review_after_ms: u64,
}

impl SagaSettings {
    /// The times of payments, with this operation window.
    pub(super) fn payment(&self, operation_window: Duration) -> PaymentTimes {
        self.times(operation_window, self.payment_deadline_ms, &PaymentTimes::default())
    }

    /// The times of refunds, with this operation window.
    pub(super) fn refund(&self, operation_window: Duration) -> PaymentTimes {
        self.times(operation_window, self.refund_deadline_ms, &PaymentTimes::of_refunds())
    }

    fn times(
        &self,
        operation_window: Duration,
        deadline: u64,
        usual: &PaymentTimes,
    ) -> PaymentTimes {
        let review = Duration::from_millis(self.review_after_ms);
        PaymentTimes {
            operation_window,
            total_deadline: Duration::from_millis(deadline),
            review_after: review,
            review_inquiry_interval: review,
            ..usual.clone()
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sagas: SagaSettings,
    }

    #[test]
    fn without_settings_they_are_as_patient_as_the_policy_says() {
        let sagas = Line::parse_from(["holdfast"]).sagas;
        let window = PaymentTimes::default().operation_window;
        assert_eq!(sagas.payment(window), PaymentTimes::default());
        assert_eq!(sagas.refund(window), PaymentTimes::of_refunds());
    }

    #[test]
    fn a_setting_changes_its_own_saga() {
        let flags = ["holdfast", "--payment-deadline-ms=2000", "--review-after-ms=3000"];
        let sagas = Line::parse_from(flags).sagas;
        let window = Duration::from_secs(1);
        let (payment, refund) = (sagas.payment(window), sagas.refund(window));
        assert_eq!(payment.total_deadline, Duration::from_secs(2));
        assert_eq!(refund.total_deadline, PaymentTimes::of_refunds().total_deadline);
        let review = Duration::from_secs(3);
        assert_eq!((payment.review_after, refund.review_after), (review, review));
        assert_eq!((payment.operation_window, refund.operation_window), (window, window));
    }
}
