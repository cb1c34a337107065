//! The OpenAPI document as a caller reads it: the request that the examples of a route make.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::Value;

/// Headers that an example request sends; the others say nothing that a reader needs first.
const SENT: [&str; 2] = ["Idempotency-Key", "Prefer"];

/// A route, and a request to it that is made of nothing but examples.
#[derive(Debug, Clone)]
pub struct Route {
    /// How the document calls it.
    pub id: String,
    /// What it does, in a few words.
    pub summary: String,
    /// What else there is to say.
    pub description: String,
    /// Which routes it belongs to.
    pub tag: String,
    /// How.
    pub method: Method,
    /// Where, with its blanks.
    pub path: String,
    /// The statuses that it answers with, each with its codes if it is a refusal.
    pub answers: Vec<(u16, Vec<String>)>,
    /// The path of the request.
    pub request_path: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<Value>,
}

/// Every route of the document, in its order.
pub fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(connectors::http::document()).expect("it is JSON");
    let paths = document["paths"].as_object().expect("paths").iter();
    let mut routes: Vec<Route> = paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").iter();
            methods.map(|(method, described)| route(&document, path, method, described))
        })
        .collect();
    // A JSON object has no order here; tags have.
    let tags = document["tags"].as_array().expect("tags");
    routes.sort_by_key(|route| {
        let tag = tags.iter().position(|tag| tag["name"] == route.tag.as_str());
        (tag, route.path.clone(), !route.is_write())
    });
    routes
}

fn route(document: &Value, path: &str, method: &str, described: &Value) -> Route {
    let text = |field: &str| described[field].as_str().unwrap_or_default().to_owned();
    let parameters: Vec<&Value> =
        described["parameters"].as_array().into_iter().flatten().collect();
    let taken = |place: &'static str| {
        let here = parameters.iter().filter(move |parameter| parameter["in"] == place);
        here.map(|parameter| (name(parameter), example(document, &parameter["schema"])))
    };
    let request_path = taken("path").fold(path.to_owned(), |path, (name, example)| {
        path.replace(&format!("{{{name}}}"), &example)
    });
    let body = described.pointer("/requestBody/content/application~1json/example").cloned();
    let mut headers: Vec<_> =
        taken("header").filter(|(name, _)| SENT.contains(&name.as_str())).collect();
    if body.is_some() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    let answers = described["responses"].as_object().expect("answers").iter();
    let answers = answers.map(|(status, answer)| {
        let refusals = answer.pointer("/content/application~1problem+json/examples");
        let codes = refusals.and_then(Value::as_object).into_iter().flatten();
        let status = status.parse().expect("a status");
        (status, codes.map(|(code, _)| code.clone()).collect())
    });
    Route {
        id: text("operationId"),
        summary: text("summary"),
        description: text("description"),
        tag: described["tags"][0].as_str().expect("a tag").to_owned(),
        method: method.to_uppercase().parse().expect("a method"),
        path: path.to_owned(),
        answers: answers.collect(),
        request_path,
        headers,
        body,
    }
}

fn name(parameter: &Value) -> String {
    parameter["name"].as_str().expect("a name").to_owned()
}

fn example(document: &Value, schema: &Value) -> String {
    let named = schema["$ref"].as_str().and_then(|path| document.pointer(&path[1..]));
    let example = &named.unwrap_or(schema)["examples"][0];
    example.as_str().map_or_else(|| example.to_string(), str::to_owned)
}

impl Route {
    /// Whether the request changes something.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// The request as a command for a shell.
    pub fn curl(&self, base: &str) -> String {
        let method = if self.is_write() { format!("-X {} ", self.method) } else { String::new() };
        let mut command = format!("curl -sS {method}{base}{}", self.request_path);
        for (name, value) in &self.headers {
            write!(command, " \\\n  -H '{name}: {value}'").expect("a string takes all");
        }
        if let Some(body) = &self.body {
            write!(command, " \\\n  -d '{body}'").expect("a string takes all");
        }
        command
    }
}
