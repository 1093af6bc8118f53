// Data that is asked for again and again while somebody looks.

import { useEffect, useRef, useState } from 'react';
import { type Answer, type Hub, type Query, Refused } from './hub';
import { useSession } from './session_context';

export interface Polled<T> {
  answer: Answer<T> | null;
  failure: Error | null;
  /** Asks at once. */
  again: () => void;
}

/** Asks the hub for something. */
export type Reader<T> = (hub: Hub, signal: AbortSignal) => Promise<Answer<T>>;

/** How much later it is asked again where nobody answers. */
const AFTER_FAILURE_MS = 5_000;

/** Asks for what is at `path` every `everyMs`; for nothing where that is `null`. */
export function usePolled<T>(path: string | null, query: Query, everyMs: number): Polled<T> {
  const key = path === null ? null : `${path}?${JSON.stringify(query)}`;
  return useReader<T>(key, (hub, signal) => hub.get<T>(path ?? '', query, signal), everyMs);
}

/** Asks every `everyMs`, not while the tab is hidden; keeps the last answer beside a failure. What is asked is named by `key`. */
export function useReader<T>(key: string | null, read: Reader<T>, everyMs: number): Polled<T> {
  const { hub, end } = useSession();
  const [state, setState] = useState<{ of: string | null; answer: Answer<T> | null; failure: Error | null }>({ of: null, answer: null, failure: null });
  const [turn, setTurn] = useState(0);
  const latest = useRef(read);
  latest.current = read;

  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isAsking = false;
    const look = async () => {
      if (document.hidden || isAsking) return;
      isAsking = true;
      const { answer, failure, waitMs } = await ask(latest.current, hub, stop.signal);
      isAsking = false;
      if (stop.signal.aborted) return;
      if (failure instanceof Refused && failure.endsSession) return end(failure.message);
      setState((before) => ({ of: key, answer: answer ?? (before.of === key ? before.answer : null), failure }));
      timer = setTimeout(look, Math.max(everyMs, waitMs));
    };
    const shown = () => {
      clearTimeout(timer);
      void look();
    };
    document.addEventListener('visibilitychange', shown);
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [hub, key, everyMs, turn, end]);

  const current = state.of === key ? state : { answer: null, failure: null };
  return { answer: current.answer, failure: current.failure, again: () => setTurn((before) => before + 1) };
}

interface Asked<T> {
  answer: Answer<T> | null;
  failure: Error | null;
  /** How long to wait at least before the next time. */
  waitMs: number;
}

async function ask<T>(read: Reader<T>, hub: Hub, signal: AbortSignal): Promise<Asked<T>> {
  try {
    return { answer: await read(hub, signal), failure: null, waitMs: 0 };
  } catch (said) {
    const failure = said instanceof Error ? said : new Error(String(said));
    const waitMs = failure instanceof Refused ? failure.retryAfterMs ?? AFTER_FAILURE_MS : AFTER_FAILURE_MS;
    return { answer: null, failure, waitMs };
  }
}
