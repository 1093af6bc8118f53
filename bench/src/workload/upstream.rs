//! A client's request to the business back end, one at a time: how long it takes, and how much of that is the hub's.

use std::io;

use super::{Fixture, WorkloadError, request};
use crate::metric::{Cell, Metric};
use crate::stamp::{PLACE, Template};

/// About as long as what the hub posts for this request.
const POSTED_BYTES: usize = 500;

/// Runs the load.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    const NAME: &str = "request to a back end, 1 in flight";
    let template = Template::new(format!(r#"427["kitchen:get_stations",{{"note":"{PLACE}"}}]"#));
    let asked = request::ask(fixture, NAME, template)?;
    let Some(back_end) = &fixture.back_end else {
        return Err(io::Error::other("there is no back end").into());
    };
    let mut own = back_end.take().own;
    own.sort();
    let mut bare = back_end.ask(POSTED_BYTES, fixture.pace.measured)?;
    bare.sort();
    let percentile = |per_mille| bare.percentile_us(per_mille);
    let bare = Cell::new("the same back end asked directly")
        .with(Metric::LatencyUsP50, percentile(500))
        .with(Metric::LatencyUsP99, percentile(990));
    let back_end = Cell::new("of it the back end's own")
        .with(Metric::LatencyUsP50, own.percentile_us(500))
        .with(Metric::LatencyUsP99, own.percentile_us(990));
    // What is asked directly takes the back end's own time as well.
    let rest = |metric| Some(asked.values.get(&metric)? - bare.values.get(&metric)?);
    let hub = Cell::new("the hub's own time of a request to a back end")
        .with(Metric::LatencyUsP50, rest(Metric::LatencyUsP50))
        .with(Metric::LatencyUsP99, rest(Metric::LatencyUsP99));
    Ok(vec![asked, bare, back_end, hub])
}
