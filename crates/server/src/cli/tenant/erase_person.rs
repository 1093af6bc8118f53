//! `foodtrack-websocket tenant erase-person`

use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{Person, erase_person};

use crate::cli::log::{LogDirectory, parse_tenant, tell};
use crate::cli::outcome::{Outcome, note, print};
use crate::cli::{Run, audit_command};
use crate::data::DataDir;

const AFTER_HELP: &str = "\
Every event of an order whose customer the user is, that was for them alone, or whose payload names them (customerId, assigneeId, userId, \
courierId, driverId, staffId, createdBy, updatedBy) becomes a tombstone: its offset, id, type, time and order stay, its payload is {\"erased\":true}, and it is \
for nobody. Their sessions, places and dead letters go. With --order the same of one order, for who has no login. The file is written anew and needs as much free disk as the log takes. Backups are as they were: run it \
again on one that is restored.

Examples:
  foodtrack-websocket tenant erase-person --data-dir /var/lib/foodtrack --config hub.toml --tenant pizza-roma --user ada
  foodtrack-websocket tenant erase-person --data-dir /var/lib/foodtrack --config hub.toml --tenant pizza-roma --order 42

Exit codes: 0 erased, also where there was nothing, 1 failed on the way or something could not be read, 2 bad usage, or it cannot be opened, also while a server runs.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ErasePerson {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    #[command(flatten)]
    whose: Whose,
}

/// Of whom something is known.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The user, as tokens name them
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// An order of somebody who may have no login: what was said of it goes
    #[arg(long, value_name = "ORDER", value_parser = NonEmptyStringValueParser::new())]
    order: Option<String>,
}

impl Whose {
    fn person(&self) -> Result<Person<'_>, Outcome> {
        let user = self.user.as_deref().map(Person::User);
        let person = user.or_else(|| self.order.as_deref().map(Person::OfOrder));
        person.ok_or_else(|| Outcome::Usage("name a --user or an --order".into()))
    }
}

impl ErasePerson {
    pub(in crate::cli) fn run(self) -> Run {
        let (tenant, path) = (&self.tenant, &self.directory.path);
        let person = self.whose.person()?;
        if !path.join("log.db").exists() {
            return Err(Outcome::Usage(format!("{}: there is no log here", path.display())));
        }
        let _directory = DataDir::open(path).map_err(|error| Outcome::Usage(error.to_string()))?;
        let subject = match person {
            Person::User(user) => format!("user {user}"),
            Person::OfOrder(order) => format!("order {order}"),
        };
        audit_command(path, "tenant erase-person", Some(tenant), Some(&subject));
        let erased = erase_person(path, self.directory.keys()?, tenant, person, &mut tell)?;
        print(format_args!(
            "{} entries of {tenant} are tombstones now; {} other rows",
            erased.entries, erased.others
        ));
        if erased.damaged > 0 {
            note(format_args!(
                "{} entries could not be read, and are as they were",
                erased.damaged
            ));
            return Ok(ExitCode::from(1));
        }
        Ok(ExitCode::SUCCESS)
    }
}
