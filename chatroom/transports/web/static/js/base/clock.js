// Time, passed in to what waits, so that tests need not.

export const clock = {
  /** The time of day, in milliseconds since 1970, to be shown. It can be set. */
  now: () => Date.now(),
  /** Milliseconds since the page began, for how long something lasts. A sleeping device may not count. */
  elapsed: () => performance.now(),
  /** Calls once after so many milliseconds; returns what cancels it. */
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * The pause in milliseconds after so many failures in a row. Half of it is left to chance, so that
 * those who lost a server together don't come back together.
 */
export function backoff(failures, most, chance) {
  return Math.min(most, 300 * 2 ** Math.min(failures, 16)) * (0.5 + chance / 2);
}
