/** Takes lines of the hub and of this package; `console` is one. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** For callers that may not look: a failure is logged and ends no process, and who awaits the promise gets it all the same. */
export function logged<T>(promise: Promise<T>, logger: Logger, what: string): Promise<T> {
  promise.catch((error: unknown) => logger.error(`${what}: ${error instanceof Error ? error.message : String(error)}`));
  return promise;
}
