//! The parts of API.md that the OpenAPI document gives: the table of routes, and a call of each.

use std::fmt::Write as _;

use tests::openapi::{Route, routes};

/// Where `make up` listens.
const BASE: &str = "http://localhost:8080";
/// Refusals that nearly every route can give; the document has them in full.
const EVERYWHERE: [&str; 2] = ["internal", "overloaded"];

/// Every route in a line.
pub fn table() -> String {
    let mut text = String::from("| route | does | answers |\n|---|---|---|\n");
    for route in routes() {
        let Route { id, method, path, summary, .. } = &route;
        let done = route.answers.iter().filter(|(_, codes)| codes.is_empty());
        let done: Vec<_> = done.map(|(status, _)| status.to_string()).collect();
        writeln!(text, "| [`{method} {path}`](#{id}) | {summary} | {} |", done.join(", "))
            .expect("a string takes all");
    }
    text
}

/// Every route with a call to paste and what it can be refused with.
pub fn calls() -> String {
    let mut text = String::new();
    for route in routes() {
        let Route { id, method, path, summary, description, .. } = &route;
        let mut part = |line: &str| writeln!(text, "{line}").expect("a string takes all");
        part(&format!("### <a id=\"{id}\"></a>{summary}\n"));
        part(&format!("`{method} {path}`\n"));
        if !description.is_empty() {
            part(&format!("{description}\n"));
        }
        part(&format!("```sh\n{}\n```\n", route.curl(BASE)));
        let refusals = refusals(&route);
        if !refusals.is_empty() {
            part(&format!("Refusals: {refusals}.\n"));
        }
    }
    format!("{}\n", text.trim_end())
}

fn refusals(route: &Route) -> String {
    let of_status = |(status, codes): &(u16, Vec<String>)| {
        let codes = codes.iter().filter(|code| !EVERYWHERE.contains(&code.as_str()));
        let link = |code: &String| format!("[{code}](docs/errors.md#{code})");
        let codes: Vec<_> = codes.map(link).collect();
        (!codes.is_empty()).then(|| format!("{status} {}", codes.join(", ")))
    };
    route.answers.iter().filter_map(of_status).collect::<Vec<_>>().join("; ")
}
