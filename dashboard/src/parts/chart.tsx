import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { number } from '../words';

/** Points over time: seconds since the Unix epoch, and what was there. */
export interface Series {
  at: number[];
  values: (number | null)[];
}

interface Props {
  name: string;
  unit: string;
  series: Series;
}

const HEIGHT_PX = 120;

/** One line over time. Its words say the same to who does not see it. */
export function Chart({ name, unit, series }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<uPlot.AlignedData>([[], []]);
  data.current = [series.at, series.values];

  useEffect(() => {
    const place = frame.current;
    if (!place) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(place, unit), data.current, place);
    };
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: place.clientWidth, height: HEIGHT_PX }));
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    draw();
    resized.observe(place);
    scheme.addEventListener('change', draw);
    addEventListener('themechange', draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener('change', draw);
      removeEventListener('themechange', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [unit]);

  useEffect(() => plot.current?.setData(data.current), [series]);

  const known = series.values.filter((value) => value !== null);
  const now = known.at(-1);
  const words = now === undefined ? 'nothing yet' : `now ${number(now)} ${unit}, at most ${number(Math.max(...known))} ${unit} since this page was opened`;
  return (
    <figure className="chart">
      <figcaption>{name} <b>{now === undefined ? '–' : number(now)}</b> <span className="soft">{unit}</span></figcaption>
      <div ref={frame} role="img" aria-label={`${name}: ${words}`} />
    </figure>
  );
}

function options(place: HTMLElement, unit: string): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
  return {
    width: place.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    padding: [8, 28, 0, 0],
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.15)] } },
    axes: [
      { ...axis, size: 26, grid: { show: false }, space: 70, values: (_plot, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })) },
      { ...axis, size: 40, space: 28, values: (_plot, values) => values.map((value) => number(value)) },
    ],
    series: [{}, { label: unit, stroke: colour('--accent'), width: 1.75, fill: colour('--accent-tint'), points: { show: false }, spanGaps: false }],
  };
}
