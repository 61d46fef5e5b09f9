//! `vestibule mail`: the status of every mail, and a test mail that says what is wrong with the settings.

use std::fmt::Write as _;

use anyhow::{anyhow, bail};
use chrono::Utc;
use clap::{Args, Subcommand, ValueEnum};
use env_logger::Target;
use strum::IntoStaticStr;
use uuid::Uuid;
use vestibule::config::{Config, MailTransport, Settings};
use vestibule::mail::status::{self, MailStatus};
use vestibule::mail::{self, Delivery, MailKind, TemplateVariables, diagnose};
use vestibule::request::{Client, RequestContext};
use vestibule::server;
use vestibule::user::Email;

use super::{as_json, open_database, print};

/// Manage the mails: what is queued, what was sent, what failed and why
#[derive(Args)]
pub(super) struct Mail {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the newest mails
    List {
        /// Only those in one state
        #[arg(long)]
        state: Option<State>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one mail
    Show {
        /// From `mail list`
        id: Uuid,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a mail again now
    Retry {
        /// From `mail list`
        #[arg(required_unless_present = "failed")]
        id: Option<Uuid>,
        /// All failed mails
        #[arg(long, conflicts_with = "id")]
        failed: bool,
    },
    /// Send a test mail; if it fails, say in plain words what is wrong
    Test {
        /// The recipient
        address: String,
        /// Such as `en` or `de`
        #[arg(long, default_value = "en")]
        language: String,
    },
}

#[derive(Clone, Copy, ValueEnum, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
enum State {
    /// Waits to be sent
    Queued,
    /// Delivered, or no longer needed (the reply says which)
    Sent,
    /// Given up
    Failed,
}

impl Mail {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // Only the result of a command goes to standard output.
        server::start_log("warn,vestibule::server=error", Target::Stderr)?;
        super::runtime()?.block_on(self.command.run(&self.settings))
    }
}

impl Command {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        if let Self::Test { address, language } = &self {
            return test(settings, address, language).await;
        }
        let (db, _embedded) = open_database(settings).await?;
        match self {
            Self::List { state, limit, json } => {
                let state = state.map(<&str>::from);
                let statuses = db.run(async |conn| status::list(conn, state, limit.into()).await).await?;
                print(if json { as_json(&statuses)? } else { table(&statuses) })
            }
            Self::Show { id, json } => {
                let found = db.run(async |conn| status::find(conn, id).await).await?;
                let status = found.ok_or_else(|| anyhow!("there is no mail {id}"))?;
                print(if json { as_json(&status)? } else { details(&status) })
            }
            Self::Retry { id, .. } => {
                let retried = db.run(async |conn| status::retry(conn, id, Utc::now()).await).await?;
                mail::notify(&db).await;
                match (retried, id) {
                    (0, Some(id)) => bail!("there is no unsent mail {id}"),
                    (count, _) => print(format!("{count} to be tried again now\n")),
                }
            }
            Self::Test { .. } => Ok(()),
        }
    }
}

async fn test(settings: &Settings, address: &str, language: &str) -> anyhow::Result<()> {
    let email = Email::parse(address).map_err(|error| anyhow!("{address}: {error}"))?;
    let config = Config::new(settings, settings.listen)?;
    let delivery = Delivery::new(&config).map_err(|error| anyhow!("SMTP_URL: {error}"))?;
    let client = Client { ip: settings.listen.ip(), user_agent: Some("vestibule mail test".into()) };
    let request = RequestContext { at: Utc::now(), client, language: language.to_owned(), request_id: String::new() };
    let variables = TemplateVariables::new(&config.service_name, email.as_typed(), &request);
    let content = server::mail_templates(settings)?.render(MailKind::Test, language, &variables)?;
    match delivery.send(Uuid::now_v7(), email.as_typed(), &content, Utc::now()).await {
        Ok(reply) => {
            let taken = match config.mail_transport {
                MailTransport::Smtp(_) => "the mail server took the mail",
                MailTransport::Mailbox(_) => {
                    "DEV_MAILBOX is on, or SMTP_URL is not set: the mail is in the development mailbox"
                }
            };
            print(format!("{taken}\nreply: {reply}\n"))
        }
        Err(error) => Err(anyhow!("the mail was not sent: {error}\n{}", diagnose(&error.to_string()))),
    }
}

fn table(statuses: &[MailStatus]) -> String {
    if statuses.is_empty() {
        return "no mails\n".to_owned();
    }
    let width = statuses.iter().map(|status| status.to.chars().count()).max().unwrap_or(0).clamp(2, 40);
    let mut text = format!(
        "{:36}  {:6}  {:width$}  {:13}  {:20}  {:>5}  {}\n",
        "ID", "STATE", "TO", "KIND", "QUEUED", "TRIES", "LAST REPLY"
    );
    for status in statuses {
        let reply = status.last_reply.as_deref().unwrap_or("-").replace(['\r', '\n'], " ");
        let _ = writeln!(
            text,
            "{:36}  {:6}  {:width$}  {:13}  {:20}  {:>5}  {:.80}",
            status.id,
            status.state,
            status.to,
            status.kind,
            super::time(status.queued_at),
            status.attempts,
            reply
        );
    }
    text
}

fn details(status: &MailStatus) -> String {
    let next = match status.state.as_str() {
        "queued" if status.waits_for_server => "as soon as the mail server is back".to_owned(),
        "queued" => super::time(status.due_at),
        _ => "-".to_owned(),
    };
    format!(
        "id          {}\nstate       {}\nto          {}\nkind        {}\nqueued      {}\ntries       {}\nnext try    {}\n\
         sent        {}\nlast reply  {}\n",
        status.id,
        status.state,
        status.to,
        status.kind,
        super::time(status.queued_at),
        status.attempts,
        next,
        status.sent_at.map_or_else(|| "-".to_owned(), super::time),
        status.last_reply.as_deref().unwrap_or("-")
    )
}
