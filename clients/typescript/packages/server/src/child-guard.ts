import type { ChildProcess } from 'node:child_process';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const children = new Set<ChildProcess>();

const onExit = (): void => {
  for (const child of children) child.kill('SIGTERM');
};

/** By itself Node ends at these signals without `exit`. Where the application handles them, it also stops its hub. */
const onSignal = (signal: NodeJS.Signals): void => {
  if (process.listenerCount(signal) > 1) return;
  onExit();
  forget();
  process.kill(process.pid, signal);
};

function forget(): void {
  process.removeListener('exit', onExit);
  for (const signal of SIGNALS) process.removeListener(signal, onSignal);
}

/** Ends `child` with SIGTERM when this process ends, except by SIGKILL. */
export function endWithParent(child: ChildProcess): void {
  if (children.size === 0) {
    process.on('exit', onExit);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  children.add(child);
  const gone = (): void => {
    children.delete(child);
    if (children.size === 0) forget();
  };
  child.once('exit', gone);
  child.once('error', gone);
}
