//! `vestibule user`: one account at a time.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use vestibule::account::{AccountRecord, AccountSummary, Accounts, Error, NewAccount};
use vestibule::audit::Actor;
use vestibule::config::Settings;
use vestibule::request::device_name;
use vestibule::user::{Email, User, Username};

use crate::cli::{as_json, open_database, print, time};

/// How many mails and events `show` prints, the newest.
const SHOWN: i64 = 50;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List accounts, the newest first
    List {
        /// Only those with this text in their address or username
        #[arg(long)]
        search: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an account with its sessions, mails and events
    Show {
        #[command(flatten)]
        name: Name,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Create an account; reads the password from standard input
    Create {
        /// Its address
        email: String,
        /// Its username
        #[arg(long)]
        username: Option<String>,
        /// Mark the address as confirmed; you vouch for it
        #[arg(long)]
        confirmed: bool,
    },
    /// Confirm the address of an account: you vouch for it
    Confirm(Name),
    /// Disable an account: its sessions end, and nobody can sign in to it
    Disable(Name),
    /// Enable an account again
    Enable(Name),
    /// Delete an account with everything that belongs to it
    Delete {
        #[command(flatten)]
        name: Name,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// End all sessions of an account
    SignOut(Name),
    /// Set the password of an account, read from standard input; ends its sessions
    SetPassword(Name),
}

/// Which account.
#[derive(Args)]
pub(super) struct Name {
    /// Address, username or id; an address means its confirmed account, else the newest
    account: String,
}

impl Command {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        if let Self::Delete { name, yes: false } = &self
            && !is_sure(&name.account)?
        {
            bail!("nothing was deleted");
        }
        let (db, _embedded) = open_database(settings).await?;
        let accounts = Accounts::for_commands(settings, db)?;
        let result = match self {
            Self::List { search, limit, json } => {
                let found = accounts.list(search.as_deref(), limit.into()).await?;
                print(if json { as_json(&found)? } else { table(&found) })
            }
            Self::Show { name, json } => show(&accounts, &name.account, json).await,
            Self::Create { email, username, confirmed } => create(&accounts, &email, username, confirmed).await,
            Self::Confirm(name) => name.report(accounts.confirm_by_admin(&name.account).await, "confirmed"),
            Self::Disable(name) => name.report(accounts.disable(&name.account).await, "disabled and signed out"),
            Self::Enable(name) => name.report(accounts.enable(&name.account).await, "enabled"),
            Self::SignOut(name) => {
                name.report(accounts.sign_out_by_admin(&name.account).await, "signed out everywhere")
            }
            Self::Delete { name, .. } => name.report(accounts.delete_by_admin(&name.account).await, "deleted"),
            Self::SetPassword(name) => set_password(&accounts, &name).await,
        };
        accounts.mail_waker.finish(&accounts.db).await;
        result
    }
}

impl Name {
    fn report(&self, changed: Result<User, Error>, done: &str) -> anyhow::Result<()> {
        let user = changed.map_err(|error| self.explain(error))?;
        print(format!("{} ({}) is {done}\n", user.email, user.id))
    }

    fn explain(&self, error: Error) -> anyhow::Error {
        match error {
            Error::NotFound => anyhow!("there is no account {}", self.account),
            Error::AddressTaken => anyhow!("the address of {} belongs to another account", self.account),
            Error::Ambiguous(accounts) => {
                let each = accounts.iter().map(|account| format!("{} of {}", account.id, time(account.created_at)));
                let each = each.collect::<Vec<_>>().join(", ");
                anyhow!("several people registered {}, name one by its id: {each}", self.account)
            }
            error => anyhow::Error::new(error).context("the account was not changed"),
        }
    }
}

async fn create(accounts: &Accounts, email: &str, username: Option<String>, is_confirmed: bool) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|error| anyhow!("{email}: {error}"))?;
    let username = username.as_deref().map(Username::parse).transpose();
    let username = username.map_err(|error| anyhow!("the username {error}"))?;
    let password = read_password()?;
    let new = NewAccount { email, username, password, is_confirmed };
    match accounts.create(Actor::Admin, &new).await {
        Ok(created) => print(format!("{}\n", created.id)),
        Err(Error::AddressTaken) => bail!("the address belongs to an account already"),
        Err(Error::UsernameTaken) => bail!("the username belongs to an account already"),
        Err(error) => Err(error.into()),
    }
}

async fn set_password(accounts: &Accounts, name: &Name) -> anyhow::Result<()> {
    let user = accounts.find_by_name(&name.account).await.map_err(|error| name.explain(error))?;
    let typed = read_password()?;
    accounts.set_password_by_admin(&user, &typed).await?;
    print(format!("the password of {} is set, and its sessions have ended\n", user.email))
}

/// One line of standard input. Never an argument: other users of the machine see those.
fn read_password() -> anyhow::Result<String> {
    let line = read_hidden_line().context("standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_hidden_line() -> std::io::Result<String> {
    let terminal = console::Term::stderr();
    if std::io::stdin().is_terminal() && terminal.is_term() {
        eprint!("new password (it is not shown): ");
        return terminal.read_secure_line();
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line)
}

fn is_sure(account: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("this asks before it deletes: pass --yes where nobody can answer");
    }
    eprint!("delete {account} with everything that belongs to it? Type yes: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn table(accounts: &[AccountSummary]) -> String {
    if accounts.is_empty() {
        return "no accounts\n".to_owned();
    }
    let width =
        |of: fn(&AccountSummary) -> usize, least: usize| accounts.iter().map(of).max().unwrap_or(0).clamp(least, 40);
    let email = width(|account| account.email.chars().count(), 7);
    let username = width(|account| account.username.as_deref().unwrap_or("-").chars().count(), 8);
    let mut text = format!("{:36}  {:email$}  {:username$}  {:11}  REGISTERED\n", "ID", "ADDRESS", "USERNAME", "STATE");
    for account in accounts {
        let _ = writeln!(
            text,
            "{:36}  {:email$}  {:username$}  {:11}  {}",
            account.id,
            account.email,
            account.username.as_deref().unwrap_or("-"),
            account.state(),
            time(account.created_at)
        );
    }
    text
}

async fn show(accounts: &Accounts, name: &str, as_json: bool) -> anyhow::Result<()> {
    let user = match accounts.find_by_name(name).await {
        Err(Error::NotFound) => bail!("there is no account {name}"),
        found => found?,
    };
    let record = accounts.record_of(user, SHOWN).await?;
    print(if as_json { record_as_json(record)? } else { record_as_text(record) })
}

fn record_as_json(record: AccountRecord) -> anyhow::Result<String> {
    let sessions = record.sessions.iter().map(|session| {
        serde_json::json!({
            "id": session.id,
            "last_seen_at": session.last_seen_at,
            "ip": session.ip.addr(),
            "device": device_name(session.user_agent.as_deref()),
        })
    });
    let mut json = serde_json::json!({
        "sessions": sessions.collect::<Vec<_>>(),
        "mails": record.mails,
        "events": record.events,
    });
    let account = serde_json::to_value(AccountSummary::from(record.user))?;
    if let (Some(json), serde_json::Value::Object(account)) = (json.as_object_mut(), account) {
        json.extend(account);
    }
    as_json(&json)
}

fn count(shown: usize) -> String {
    if shown < usize::try_from(SHOWN).unwrap_or(usize::MAX) { shown.to_string() } else { format!("the newest {shown}") }
}

fn record_as_text(AccountRecord { user, sessions, mails, events, .. }: AccountRecord) -> String {
    let account = AccountSummary::from(user);
    let mut text = format!(
        "id          {}\naddress     {}\nusername    {}\nstate       {}\nregistered  {}\n",
        account.id,
        account.email,
        account.username.as_deref().unwrap_or("-"),
        account.state(),
        time(account.created_at)
    );
    let _ = writeln!(text, "\nsessions    {}", sessions.len());
    for session in &sessions {
        let device = device_name(session.user_agent.as_deref());
        let _ = writeln!(text, "  {}  {}  {device}", time(session.last_seen_at), session.ip.addr());
    }
    let _ = writeln!(text, "\nmails       {}", count(mails.len()));
    for mail in &mails {
        let _ = writeln!(text, "  {}  {:6}  {}", time(mail.queued_at), mail.state, mail.kind);
    }
    let _ = writeln!(text, "\nevents      {}", count(events.len()));
    for event in &events {
        let from = event.ip.map_or_else(|| event.actor.clone(), |ip| ip.addr().to_string());
        let _ = writeln!(text, "  {}  {:24}  {from}", time(event.at), event.kind);
    }
    text
}
