//! Somebody's browser, or what pretends to be one: it sends exactly the headers it is told to.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

/// A client with a cookie jar.
pub struct Browser {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    cookies: BTreeMap<String, String>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a form's hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let found = self
            .body
            .split_once(&field)
            .and_then(|(_, rest)| rest.split_once('"'));
        let (value, _) = found.unwrap_or_else(|| panic!("no field {name} in\n{}", self.body));
        value.to_owned()
    }
}

impl Browser {
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            cookies: BTreeMap::new(),
        }
    }

    /// Trusts the certificate in this PEM file and nobody else.
    pub fn trusting(address: SocketAddr, certificate: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(certificate).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            tls: Some(Arc::new(config)),
            ..Self::plain(address)
        }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.request("GET", path, &[("accept", "text/html")], "")
    }

    /// Posts a form as our own page would.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let origin = self.origin();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.request("POST", path, &headers, &form(fields))
    }

    /// Fills in the login page.
    pub fn log_in(&mut self, name: &str, password: &str) -> Reply {
        let csrf = self.get("/login").hidden("csrf");
        self.post(
            "/login",
            &[("csrf", &csrf), ("name", name), ("password", password)],
        )
    }

    pub fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Sends a request and keeps the cookies that come back. A `host` among the headers replaces
    /// the right one.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let reply = self.send(method, path, headers, body).expect("an answer");
        for (_, line) in reply
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
        {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// `None` if nobody answers.
    pub fn try_get(&self, path: &str) -> Option<Reply> {
        self.send("GET", path, &[], "").ok()
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Reply> {
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            "connection: close".to_owned(),
        ];
        if headers.iter().all(|(name, _)| *name != "host") {
            lines.push(format!("host: {}", self.address));
        }
        lines.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            lines.push(format!("cookie: {}", pairs.collect::<Vec<_>>().join("; ")));
        }
        if method == "POST" {
            lines.push("content-type: application/x-www-form-urlencoded".to_owned());
            lines.push(format!("content-length: {}", body.len()));
        }
        let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));

        let socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_mins(1)))?;
        let answer = match &self.tls {
            None => exchange(socket, &request)?,
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let connection = ClientConnection::new(Arc::clone(config), name)
                    .map_err(std::io::Error::other)?;
                exchange(StreamOwned::new(connection, socket), &request)?
            }
        };
        parse(&answer).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server that ends without TLS' own farewell has still answered.
        Err(err) if answer.is_empty() => return Err(err),
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Option<Reply> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    Some(Reply {
        status,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}

/// A form's fields, each letter percent-encoded.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let letters: Vec<_> = text.bytes().map(|b| format!("%{b:02X}")).collect();
        letters.concat()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A user with this role, and `PASSWORD` as password.
pub fn add_user(hepar: &super::appliance::Hepar, name: &str, role: &str) {
    let config = hepar.config().display().to_string();
    let arguments = ["user", "add", name, "--role", role, "--config", &config];
    super::cli::hepar_told(hepar.home(), &arguments, &format!("{PASSWORD}\n")).expect_success();
}

pub const PASSWORD: &str = "correct horse battery";
