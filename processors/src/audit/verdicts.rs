//! Check `verdicts`: refused and repeated inputs changed nothing, accepted ones say what happened.

use schemas::entry::{Entry, Verdict};
use schemas::{ErrorCode, Position};

use super::Check;
use super::report::CheckResult;

pub(super) struct Verdicts {
    result: CheckResult,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        let meaning = "refused and repeated inputs changed nothing, refusals have a known code, \
                       accepted inputs say what happened";
        Self { result: CheckResult::new("verdicts", meaning) }
    }
}

impl Check for Verdicts {
    fn observe(&mut self, position: Position, entry: &Entry) {
        self.result.examine();
        let changes_nothing = entry.events.is_empty()
            && entry.postings.is_empty()
            && entry.balances.is_empty()
            && entry.timers.is_empty();
        let (verdict, code) = (entry.decision.verdict, entry.decision.code.as_str());
        match verdict {
            Verdict::Accepted => {
                if entry.events.is_empty() {
                    self.result.violated(position, "was accepted without an event");
                }
            }
            Verdict::Replayed | Verdict::Refused => {
                if !changes_nothing {
                    let detail = format!("is {verdict:?} and yet changes something");
                    self.result.violated(position, detail);
                }
            }
        }
        let code_fits = match verdict {
            Verdict::Accepted | Verdict::Replayed => code.is_empty(),
            Verdict::Refused => ErrorCode::from_code(code).is_some(),
        };
        if !code_fits {
            self.result.violated(position, format!("is {verdict:?} with the code {code:?}"));
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
