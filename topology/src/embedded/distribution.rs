//! The jars of Apache Kafka and of the schema registry: fetched once through Maven, then kept.
//!
//! The Maven project is compiled into the binary, so this needs no checkout. A directory in the
//! cache is complete or absent: it is filled under another name and renamed. Its name carries a
//! digest of the project, so two versions of holdfast never share one.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::EmbeddedError;

/// What is fetched.
const MAVEN_PROJECT: &str = include_str!("../../../deploy/kafka/pom.xml");
/// Apache Kafka's release; the same as in the Maven project.
pub const KAFKA_VERSION: &str = "4.2.0";
/// Apicurio Registry's release; the same as in the Maven project.
pub const REGISTRY_VERSION: &str = "2.6.13.Final";
/// Apache Kafka 4 runs on nothing older.
const MINIMUM_JAVA: u32 = 17;
const INSTALL_JAVA: &str = "apt-get update && apt-get install -y default-jre-headless";
const INSTALL_MAVEN: &str = "apt-get update && apt-get install -y maven";
/// 200 MB over a slow line.
const FETCH_BOUND: Duration = Duration::from_mins(30);
const FETCH_PREFIX: &str = ".fetch-";

/// A complete directory of jars.
#[derive(Clone, Debug)]
pub struct Distribution {
    directory: PathBuf,
}

impl Distribution {
    /// The class path of Kafka.
    pub fn kafka_class_path(&self) -> OsString {
        self.directory.join("libs").join("*").into_os_string()
    }

    /// The jar that is the schema registry.
    pub fn registry_jar(&self) -> PathBuf {
        let name = format!("apicurio-registry-app-{REGISTRY_VERSION}-runner.jar");
        self.directory.join("registry").join(name)
    }

    /// The cached jars; fetches them first where they are missing, which `narrate` is told.
    pub async fn obtain(narrate: fn(&str)) -> Result<Self, EmbeddedError> {
        let cache = cache_directory()?;
        let directory = cache.join(directory_name());
        if directory.is_dir() {
            return Ok(Self { directory });
        }
        fs::create_dir_all(&cache).map_err(EmbeddedError::io("create the cache directory"))?;
        let lock = lock(cache.join("fetch.lock")).await?;
        // Whoever held the lock before us may have fetched it.
        if !directory.is_dir() {
            remove_abandoned(&cache);
            narrate(&format!(
                "Fetching Apache Kafka {KAFKA_VERSION} and a schema registry from Maven Central, \
                 200 MB, once, into {} ...",
                directory.display()
            ));
            let partial = cache.join(format!("{FETCH_PREFIX}{}", std::process::id()));
            fetch(&partial).await?;
            fs::rename(partial.join("out"), &directory)
                .map_err(EmbeddedError::io("put the fetched jars in their place"))?;
            let _ = fs::remove_dir_all(partial);
        }
        drop(lock);
        Ok(Self { directory })
    }
}

/// The `java` to use: of `JAVA_HOME` when that is set, else the first on the path.
///
/// # Errors
/// [`EmbeddedError::Missing`] when there is none, or only an older one.
pub async fn java() -> Result<PathBuf, EmbeddedError> {
    let java = env::var_os("JAVA_HOME")
        .filter(|home| !home.is_empty())
        .map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin").join("java"));
    let missing = |found: String| EmbeddedError::Missing {
        what: format!("Java {MINIMUM_JAVA} or newer"),
        found,
        install: INSTALL_JAVA,
    };
    let output = Command::new(&java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| missing(format!("{}: {error}", java.display())))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match java_release(&text) {
        Some(release) if release >= MINIMUM_JAVA => Ok(java),
        _ => Err(missing(format!(
            "{} says: {}",
            java.display(),
            text.lines().next().unwrap_or("nothing")
        ))),
    }
}

/// `17` of `openjdk version "17.0.15" 2025-04-15`, `8` of `java version "1.8.0_392"`.
fn java_release(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        release => Some(release),
    }
}

/// Where what was fetched is kept: `$XDG_CACHE_HOME/holdfast`, else `~/.cache/holdfast`.
///
/// # Errors
/// Neither variable is set.
pub fn cache_directory() -> Result<PathBuf, EmbeddedError> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("holdfast"))
        .ok_or_else(|| {
            let error = io::Error::other("neither XDG_CACHE_HOME nor HOME is set");
            EmbeddedError::io("find the cache directory")(error)
        })
}

fn directory_name() -> String {
    let digest = blake3::hash(MAVEN_PROJECT.as_bytes()).to_hex();
    format!("kafka-{KAFKA_VERSION}-{}", &digest[..8])
}

async fn lock(path: PathBuf) -> Result<File, EmbeddedError> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    });
    let outcome = locked.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    outcome.map_err(EmbeddedError::io("lock the cache directory"))
}

/// Partial directories of killed runs; the lock says that no other run is at work.
fn remove_abandoned(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(FETCH_PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

async fn fetch(partial: &Path) -> Result<(), EmbeddedError> {
    let project = partial.join("pom.xml");
    fs::create_dir_all(partial)
        .and_then(|()| fs::write(&project, MAVEN_PROJECT))
        .map_err(EmbeddedError::io("write the Maven project"))?;
    let mut directory = OsString::from("-Dfetch.directory=");
    directory.push(partial.join("out"));
    let run = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&project)
        .arg(directory)
        .arg("generate-resources")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(FETCH_BOUND, run).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EmbeddedError::Missing {
                what: "Maven (mvn)".to_owned(),
                found: "no mvn on the path".to_owned(),
                install: INSTALL_MAVEN,
            });
        }
        Ok(Err(error)) => return Err(EmbeddedError::io("run mvn")(error)),
        Err(_) => return Err(EmbeddedError::Fetch { output: "  (it took too long)".to_owned() }),
    };
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<String> = text.lines().take(20).map(|line| format!("  {line}")).collect();
    Err(EmbeddedError::Fetch { output: lines.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_maven_project() {
        for (name, version) in
            [("kafka.version", KAFKA_VERSION), ("registry.version", REGISTRY_VERSION)]
        {
            assert!(MAVEN_PROJECT.contains(&format!("<{name}>{version}</{name}>")), "{name}");
        }
    }

    #[test]
    fn java_releases_are_read() {
        let cases = [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\"", Some(25)),
            ("java version \"1.8.0_392\"", Some(8)),
            ("no such thing", None),
        ];
        for (text, release) in cases {
            assert_eq!(java_release(text), release, "{text}");
        }
    }
}
