// The connection to the server: its states, whether it is alive, and when to reconnect. No DOM.

import { backoff } from "../base/clock.js";
import { CODE, decode, encode } from "../base/wire.js";

/** Milliseconds, from the protocol: silence after which to ping, and after which to give up. */
const PING_AFTER = 30_000;
const SILENCE = 75_000;
const LOOK_EVERY = 5_000;
/** Time for connecting, and for the answer to the login. */
const JOIN = 15_000;
/** Time for an answer when the connection is in doubt: the page woke up, the network changed, or
 * a message got no answer. Less if the browser says that there is no network. */
const PROBE = 4_000;
const PROBE_CUT = 2_000;
const RETRY_MOST = 15_000;
/** A connection that lasted so long was a good one: the next pause starts small again. */
const STABLE = 5_000;

/**
 * States: "stopped", "connecting", "online" (logged in), "offline" (tried again in `retryIn`).
 */
export class Connection {
  #connect;
  #clock;
  #chance;
  #hello;
  #onMessage;
  #onState;
  #onRefused;
  #socket = null;
  #cancels = new Map();
  #failures = 0;
  #heardAt = 0;
  #heardOn = 0;
  #pingedAt = 0;
  #openedAt = 0;
  #sentAt = 0;
  #retryAt = 0;

  /**
   * `connect()` returns a WebSocket, `hello()` the fields of the `LoginMes`. `onRefused(data)`: the
   * login was refused for good, or the session ended for good, and the connection has stopped.
   */
  constructor({ connect, clock, chance = Math.random, hello, onMessage, onState, onRefused }) {
    this.#connect = connect;
    this.#clock = clock;
    this.#chance = chance;
    this.#hello = hello;
    this.#onMessage = onMessage;
    this.#onState = onState;
    this.#onRefused = onRefused;
    this.state = "stopped";
  }

  start() {
    if (this.state === "stopped") this.#open();
  }

  stop() {
    this.#abandon();
    this.#failures = 0;
    this.#become("stopped");
  }

  /** Connect now, not later. */
  retry() {
    if (this.state === "offline") this.#open();
  }

  /** Whether the connection is in doubt: online, but waiting for an answer. */
  get probing() {
    return this.#cancels.has("probe");
  }

  /** The page was shown again; `changed`: the network changed. Check the connection at once. */
  wake({ changed = false } = {}) {
    const stuck = this.state === "connecting" && (changed || this.#clock.elapsed() - this.#openedAt > PROBE);
    if (this.state === "offline" || stuck) this.#open();
    else if (changed || this.#heardLongAgo()) this.#probe(PROBE);
  }

  /** The browser says that there is no network. It may be wrong about a server nearby. */
  cut() {
    this.#probe(PROBE_CUT);
  }

  /** Milliseconds until the next try to connect; valid only while offline. */
  get retryIn() {
    return this.#retryAt - this.#clock.elapsed();
  }

  /** Uses the time of day as well: a sleeping device may not have counted the time. */
  #heardLongAgo() {
    const byDay = Math.abs(this.#clock.now() - this.#heardOn);
    return Math.max(this.#clock.elapsed() - this.#heardAt, byDay) > PROBE;
  }

  /** The server leaves something unanswered: reconnect. */
  doubt() {
    if (this.state === "online") this.#lost();
  }

  /** Returns false if there is no connection to send on. */
  send(type, data) {
    if (this.state !== "online" || !this.#write(type, data)) return false;
    this.#sentAt = this.#clock.elapsed();
    if (!this.#cancels.has("answer")) this.#expect(PROBE);
    return true;
  }

  #open() {
    this.#abandon();
    this.#openedAt = this.#clock.elapsed();
    this.#become("connecting");
    let socket;
    try {
      socket = this.#connect();
    } catch {
      this.#lost();
      return;
    }
    this.#socket = socket;
    const ours = (call) => (event) => socket === this.#socket && call(event);
    socket.onopen = ours(() => this.#write("LoginMes", this.#hello()));
    socket.onmessage = ours((event) => this.#heard(event.data));
    socket.onclose = ours(() => this.#lost());
    this.#after("join", JOIN, () => this.#lost());
  }

  #heard(text) {
    let message;
    try {
      message = decode(text);
    } catch {
      this.#lost();
      return;
    }
    this.#heardAt = this.#clock.elapsed();
    this.#heardOn = this.#clock.now();
    if (this.probing) {
      this.#cancel("probe");
      this.#onState(this.state);
    }
    const { type, data } = message;
    if (type === "PingMes") this.#write("PongMes");
    else if (type === "PongMes") return;
    else if (type === "ErrorMes" && data.reconnect === false) this.#refused(data);
    else if (this.state === "connecting") this.#answered(type, data);
    else if (type === "ErrorMes" && data.code === CODE.CLOSED) this.#lost();
    else this.#onMessage(type, data);
  }

  /** Sends the first message on a new connection. */
  #answered(type, data) {
    if (type === "LoginResMes" && data.code === CODE.OK) {
      this.#cancel("join");
      this.#after("stable", STABLE, () => (this.#failures = 0));
      this.#look();
      // The state first: what the listener sends after the login has to go out.
      this.state = "online";
      this.#onMessage(type, data);
      this.#onState(this.state);
      return;
    }
    if ([CODE.WRONG_PASSWORD, CODE.NOT_LOGGED_IN, CODE.NO_SUCH_USER].includes(data.code)) {
      this.#refused(data);
    } else {
      this.#lost(data.retryAfter);
    }
  }

  /** Stops: the person has to log in again. */
  #refused(data) {
    this.stop();
    this.#onRefused(data);
  }

  #look() {
    const silent = this.#clock.elapsed() - this.#heardAt;
    if (silent >= SILENCE) {
      this.#lost();
      return;
    }
    if (silent >= PING_AFTER && this.#clock.elapsed() - this.#pingedAt >= PING_AFTER) this.#ping();
    this.#after("look", LOOK_EVERY, () => this.#look());
  }

  #probe(ms) {
    if (this.state !== "online" || this.probing) return;
    this.#ping();
    this.#after("probe", ms, () => this.#lost());
    this.#onState(this.state);
  }

  /** If nothing comes after the last message that was sent, the connection is in doubt. */
  #expect(ms) {
    this.#after("answer", ms, () => {
      const left = this.#heardAt + PROBE - this.#clock.elapsed();
      if (this.#sentAt < this.#heardAt) return;
      if (left > 0) this.#expect(left);
      else this.#probe(PROBE);
    });
  }

  #ping() {
    this.#pingedAt = this.#clock.elapsed();
    this.#write("PingMes");
  }

  #write(type, data) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(encode(type, data));
    return true;
  }

  #lost(retryAfter = 0) {
    this.#abandon();
    const pause = Math.max(backoff(this.#failures, RETRY_MOST, this.#chance()), retryAfter * 1000);
    this.#failures += 1;
    this.#retryAt = this.#clock.elapsed() + pause;
    this.#after("retry", pause, () => this.#open());
    this.#become("offline");
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    for (const name of [...this.#cancels.keys()]) this.#cancel(name);
    socket?.close();
  }

  #become(state) {
    this.state = state;
    this.#onState(state);
  }

  #after(name, ms, call) {
    this.#cancel(name);
    this.#cancels.set(name, this.#clock.after(ms, () => {
      this.#cancels.delete(name);
      call();
    }));
  }

  #cancel(name) {
    this.#cancels.get(name)?.();
    this.#cancels.delete(name);
  }
}
