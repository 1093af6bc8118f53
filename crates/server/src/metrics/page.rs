//! The page of all metrics as it is at one moment: families, and how they are told.

use std::fmt;

use foodtrack_measures::{BOUNDS_US, HistogramReading};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    CounterValueEncoder, DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue,
    GaugeValueEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// Names and values that tell the samples of a family apart.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// How the page is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own format, version 0.0.4.
    Text,
}

impl PageFormat {
    /// As an `Accept` header asks for it: OpenMetrics where it is named and not refused, or else the older format, which everybody
    /// reads.
    pub(crate) fn accepted(accept: Option<&str>) -> Self {
        let takes = |part: &str| {
            let mut words = part.split(';').map(str::trim);
            words.next() == Some("application/openmetrics-text")
                && !words.any(|word| matches!(word, "q=0" | "q=0.0" | "version=0.0.1"))
        };
        match accept.is_some_and(|accept| accept.split(',').any(|part| takes(part.trim()))) {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// A number that is told as what it is: counts whole, seconds with a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Number {
    fn from(holds: bool) -> Self {
        Self::Whole(holds.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl EncodeCounterValue for Number {
    fn encode(&self, encoder: &mut CounterValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => EncodeCounterValue::encode(number, encoder),
            Self::Real(number) => EncodeCounterValue::encode(number, encoder),
        }
    }
}

impl EncodeGaugeValue for Number {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => EncodeGaugeValue::encode(number, encoder),
            Self::Real(number) => EncodeGaugeValue::encode(number, encoder),
        }
    }
}

#[derive(Debug)]
enum Samples {
    Counters(Vec<(Labels, Number)>),
    Gauges(Vec<(Labels, Number)>),
    Histograms(Vec<(Labels, HistogramReading)>),
}

/// Metrics of one name.
#[derive(Debug)]
struct Family {
    name: String,
    help: &'static str,
    samples: Samples,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Page(Vec<Family>);

impl Page {
    /// A counter. Its name is told with `_total` behind it.
    pub(crate) fn counter(&mut self, name: &str, help: &'static str, number: impl Into<Number>) {
        self.counters(name, help, [(Labels::new(), number)]);
    }

    /// Counters of one name.
    pub(crate) fn counters<N: Into<Number>>(
        &mut self,
        name: &str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, N)>,
    ) {
        self.push(name, help, Samples::Counters(numbers(samples)));
    }

    /// A gauge; none where nobody knows.
    pub(crate) fn gauge<N: Into<Number>>(
        &mut self,
        name: &str,
        help: &'static str,
        number: Option<N>,
    ) {
        if let Some(number) = number {
            self.gauges(name, help, [(Labels::new(), number)]);
        }
    }

    /// Gauges of one name.
    pub(crate) fn gauges<N: Into<Number>>(
        &mut self,
        name: &str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, N)>,
    ) {
        self.push(name, help, Samples::Gauges(numbers(samples)));
    }

    /// How long something took.
    pub(crate) fn histogram(&mut self, name: &str, help: &'static str, reading: HistogramReading) {
        self.push(name, help, Samples::Histograms(vec![(Labels::new(), reading)]));
    }

    fn push(&mut self, name: &str, help: &'static str, samples: Samples) {
        self.0.push(Family { name: name.to_owned(), help, samples });
    }

    /// The page as it goes out.
    pub(crate) fn told(self, format: PageFormat) -> String {
        self.told_in([format]).into_iter().next().unwrap_or_default()
    }

    /// The page in each of these formats.
    pub(crate) fn told_in<const N: usize>(self, formats: [PageFormat; N]) -> [String; N] {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        formats.map(|format| {
            let mut text = String::with_capacity(64 * 1_024);
            let told = match format {
                PageFormat::OpenMetrics => text::encode(&mut text, &registry),
                PageFormat::Text => prometheus_text::encode(&mut text, &registry),
            };
            // Writing to a string does not fail, and no histogram here is of the kind that the formats do not have.
            debug_assert!(told.is_ok());
            text
        })
    }
}

fn numbers<N: Into<Number>>(
    samples: impl IntoIterator<Item = (Labels, N)>,
) -> Vec<(Labels, Number)> {
    samples.into_iter().map(|(labels, number)| (labels, number.into())).collect()
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.samples {
            Samples::Counters(_) => MetricType::Counter,
            Samples::Gauges(_) => MetricType::Gauge,
            Samples::Histograms(_) => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(&self.name, self.help, None, kind)?;
        match &self.samples {
            Samples::Counters(samples) => samples.iter().try_for_each(|(labels, number)| {
                let mut encoder = encoder.encode_family(labels)?;
                encoder.encode_counter::<NoLabelSet, _, u64>(number, None)
            }),
            Samples::Gauges(samples) => samples.iter().try_for_each(|(labels, number)| {
                encoder.encode_family(labels)?.encode_gauge(number)
            }),
            Samples::Histograms(samples) => samples.iter().try_for_each(|(labels, reading)| {
                let mut encoder = encoder.encode_family(labels)?;
                let (sum, count) = (seconds(reading.sum_us), reading.count());
                encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets(reading), None)
            }),
        }
    }
}

/// The buckets with their upper bounds in seconds.
fn buckets(reading: &HistogramReading) -> Vec<(f64, u64)> {
    let bounds = BOUNDS_US.iter().map(|us| seconds(*us)).chain([f64::INFINITY]);
    bounds.zip(reading.buckets).collect()
}

/// Microseconds in seconds; off by a millionth of it beyond 285 years.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_told_to_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(PageFormat::accepted(Some(prometheus)), PageFormat::OpenMetrics);
        for accept in [
            None,
            Some("*/*"),
            Some("text/plain"),
            Some("application/openmetrics-text; version=0.0.1"),
            Some("application/openmetrics-text;q=0, text/plain"),
            Some(";,;;q=,application/openmetrics-textual"),
        ] {
            assert_eq!(PageFormat::accepted(accept), PageFormat::Text, "{accept:?}");
        }
    }

    #[test]
    fn a_label_may_be_anything_and_stays_one_line_and_one_value() {
        let hostile = "a\"} 1\nfoodtrack_forged_total{x=\"\\";
        for format in [PageFormat::Text, PageFormat::OpenMetrics] {
            let mut page = Page::default();
            page.counters("foodtrack_x", "A number.", [(vec![("who", hostile.to_owned())], 1_u64)]);
            let text = page.told(format);
            let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let escaped = r#"foodtrack_x_total{who="a\"} 1\nfoodtrack_forged_total{x=\"\\"} 1"#;
            assert_eq!(samples, [escaped], "{format:?}");
        }
    }

    #[test]
    fn a_histogram_is_told_in_seconds_and_its_buckets_add_up() {
        let histogram = foodtrack_measures::Histogram::default();
        for us in [40, 160, 2_000_000, u64::from(u32::MAX)] {
            histogram.observe_us(us);
        }
        let mut page = Page::default();
        page.histogram("foodtrack_x_seconds", "A time.", histogram.read());
        let text = page.told(PageFormat::Text);
        for line in [
            "foodtrack_x_seconds_bucket{le=\"0.0001\"} 1\n",
            "foodtrack_x_seconds_bucket{le=\"0.00025\"} 2\n",
            "foodtrack_x_seconds_bucket{le=\"2.5\"} 3\n",
            "foodtrack_x_seconds_bucket{le=\"+Inf\"} 4\n",
            "foodtrack_x_seconds_count 4\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
