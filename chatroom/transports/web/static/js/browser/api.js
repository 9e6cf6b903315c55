// Requests by HTTP. The answer's `code` is the protocol's; 0 means that there was no answer.

async function post(name, body) {
  try {
    const response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
    const answer = await response.json();
    return typeof answer?.code === "number" ? answer : { code: 0 };
  } catch {
    return { code: 0 };
  }
}

export const register = (user, invite) => post("register", invite ? { user, invite } : { user });
export const login = (userId, userPwd) => post("login", { userId, userPwd });
export const session = () => post("session", {});
export const logout = () => post("logout", {});

export function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}/ws`);
}
