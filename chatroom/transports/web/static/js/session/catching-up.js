// Whether all missed messages are here: as many as the login said, or none has come for a while.

/** Milliseconds. */
const QUIET = 1_500;

export class CatchingUp {
  #clock;
  #over;
  #unread = 0;
  #reached = () => true;
  #cancel = null;

  /** `over()` is called when catching up ends. */
  constructor(clock, over) {
    this.#clock = clock;
    this.#over = over;
    this.active = false;
  }

  /** `unread`: private messages that will come; `reached()`: the rooms have come far enough. */
  start(unread, reached) {
    this.#unread = unread;
    this.#reached = reached;
    this.active = true;
    this.check();
  }

  /** A private message from somebody else came. */
  count() {
    this.#unread -= 1;
  }

  /** Something came. */
  check() {
    if (!this.active) return;
    this.#cancel?.();
    if (this.#unread <= 0 && this.#reached()) this.#finish();
    else this.#cancel = this.#clock.after(QUIET, () => this.#finish());
  }

  stop() {
    this.active = false;
    this.#cancel?.();
    this.#cancel = null;
  }

  #finish() {
    this.stop();
    this.#over();
  }
}
