// The clock, passed in to code that waits, so that tests need not wait.

export const clock = {
  /** The time of day, in milliseconds since 1970, to be shown. It jumps when the device's clock is set. */
  now: () => Date.now(),
  /** Milliseconds since the page started, to measure durations. It may stop while the device sleeps. */
  elapsed: () => performance.now(),
  /** Calls once after so many milliseconds; returns a function that cancels this. */
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * The pause in milliseconds after so many failures in a row. Half of it is random, so that clients
 * that lost a server together don't come back together.
 */
export function backoff(failures, most, chance) {
  return Math.min(most, 300 * 2 ** Math.min(failures, 16)) * (0.5 + chance / 2);
}
