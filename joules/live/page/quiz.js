// Questions to the network, before and after it has learnt.

let asked = new Map();

// The first answer to each question and the latest are kept.
function noteAnswer({ a, b, answer, right, is_held_out, shares }) {
  const key = `${a} ∘ ${b}${is_held_out ? "" : " (a training pair)"}`;
  const given = { answer, step: latest?.step ?? 0, share: Math.max(...shares), isRight: answer === right };
  const before = asked.get(key);
  asked.set(key, { a, b, right, first: before?.first ?? given, last: before ? given : null });
}

function showAnswers() {
  const cell = (given) => {
    const made = document.createElement("td");
    if (!given) return made;
    made.className = given.isRight ? "right" : "wrong";
    made.textContent = `${given.answer} ${given.isRight ? "✓" : "✗"} (step ${say(given.step, 6)}, ${say(100 * given.share, 2)} % sure)`;
    return made;
  };
  element("answers").replaceChildren(...[...asked.entries()].map(([key, { right, first, last }]) => {
    const row = document.createElement("tr");
    const text = (textContent) => Object.assign(document.createElement("td"), { textContent });
    row.append(text(key), text(right ?? "none"), cell(first), cell(last));
    return row;
  }));
}

// The server asks the first questions early in the training. They are repeated after it.
async function askAgain() {
  if (!hasNetwork) return;
  for (const { a, b, first, last } of [...asked.values()]) {
    if ((last ?? first).step < latest.step) await act("ask", { a, b });
  }
}
