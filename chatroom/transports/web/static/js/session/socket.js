// The connection to the server: its states, its liveness, and when it is tried again. No DOM.

import { backoff } from "../base/clock.js";
import { CODE, decode, encode } from "../base/wire.js";

/** Milliseconds. The protocol's: silence after which to ask, and after which to give up. */
const PING_AFTER = 30_000;
const SILENCE = 75_000;
const LOOK_EVERY = 5_000;
/** For the connection to be made and for the login to be answered. */
const JOIN = 15_000;
/** For an answer when there is reason to doubt: the page woke up, the network changed, or something
 * was sent and nothing came. Less where the browser says that there is no network. */
const PROBE = 4_000;
const PROBE_CUT = 2_000;
const RETRY_MOST = 15_000;
/** A connection that held so long was a good one: the next pause starts small again. */
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
   * `connect()` gives a WebSocket, `hello()` the fields of the `LoginMes`. `onRefused(data)`: the
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

  /** Try now, not later. */
  retry() {
    if (this.state === "offline") this.#open();
  }

  /** Online, but nobody knows: an answer is waited for. */
  get probing() {
    return this.#cancels.has("probe");
  }

  /** The page was shown again; `changed`: the network is another one. Find out how things are, at once. */
  wake({ changed = false } = {}) {
    const stuck = this.state === "connecting" && (changed || this.#clock.elapsed() - this.#openedAt > PROBE);
    if (this.state === "offline" || stuck) this.#open();
    else if (changed || this.#heardLongAgo()) this.#probe(PROBE);
  }

  /** The browser says that there is no network. It may be wrong about a server nearby. */
  cut() {
    this.#probe(PROBE_CUT);
  }

  /** Milliseconds until the next try to connect; meant only while offline. */
  get retryIn() {
    return this.#retryAt - this.#clock.elapsed();
  }

  /** By the time of day as well: a device that slept may not have counted that time. */
  #heardLongAgo() {
    const byDay = Math.abs(this.#clock.now() - this.#heardOn);
    return Math.max(this.#clock.elapsed() - this.#heardAt, byDay) > PROBE;
  }

  /** The server does not answer what it should: begin anew. */
  doubt() {
    if (this.state === "online") this.#lost();
  }

  /** False where there is no connection to send on. */
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

  /** The first thing that is said to a new connection. */
  #answered(type, data) {
    if (type === "LoginResMes" && data.code === CODE.OK) {
      this.#cancel("join");
      this.#after("stable", STABLE, () => (this.#failures = 0));
      this.#look();
      // The state first: what the listener sends in answer to the login has to go out.
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

  /** Somebody has to log in anew. */
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

  /** What was sent last is followed by something that is heard, or doubted. */
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
