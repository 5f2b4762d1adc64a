// The page that `ilora serve` shows: a conversation, corrections, what is being learned, the journal.
'use strict';

const $ = (id) => document.getElementById(id);
const said = [];  // the conversation so far
let key = sessionStorage.getItem('key') || '';
let name = '';

async function call(path, options = {}) {
  const headers = key ? {Authorization: 'Bearer ' + key} : {};
  const reply = await fetch(path, {...options, headers});
  if (reply.status === 401) {
    await askForKey();
    return call(path, options);
  }
  if (!reply.ok) {
    const body = await reply.json().catch(() => ({}));
    throw new Error(body.error ? body.error.message : 'the server answered ' + reply.status);
  }
  return reply;
}
const get = async (path) => (await call(path)).json();
const post = (path, body) => call(path, {method: 'POST', body: JSON.stringify(body)});

let asking = null;  // for the key, once at a time
function askForKey() {
  asking ??= new Promise((resolve) => {
    $('key-dialog').showModal();
    $('key-form').onsubmit = () => {
      key = $('key').value;
      sessionStorage.setItem('key', key);
      asking = null;
      resolve();
    };
  });
  return asking;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function complain(where, error) {
  where.append(element('p', error.message, 'wrong'));
}

// ---- the conversation ------------------------------------------------------------------------------

function chosenModel() {
  return $('model').value === 'between' ? `${name}:slow~fast@${$('share').value}` : $('model').value;
}

function message(role, text) {
  const item = element('li', undefined, role);
  const from = element('span', role === 'user' ? 'You' : '…', 'from');
  const content = element('span', text, 'content');
  item.append(from, content);
  $('messages').append(item);
  return {item, from, content};
}

// The parts of an answer as they come.
async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const data = rest.slice(0, end).replace(/^data: /, '');
      if (data !== '[DONE]') yield JSON.parse(data);
    }
  }
}

async function ask(question) {
  said.push({role: 'user', content: question});
  message('user', question);
  const shown = message('assistant', '');
  try {
    const reply = await post('/v1/chat/completions', {model: chosenModel(), messages: said, stream: true});
    let id = '';
    for await (const event of events(reply)) {
      if (event.error) throw new Error(event.error.message);
      id = event.id;
      shown.from.textContent = event.model;
      shown.content.textContent += event.choices[0].delta.content || '';
    }
    said.push({role: 'assistant', content: shown.content.textContent});
    if (!$('learning').hidden) offerCorrection(shown, id);
  } catch (error) {
    said.pop();
    complain(shown.item, error);
  }
}

function offerCorrection(shown, id) {
  const button = element('button', 'Correct', 'small');
  button.type = 'button';
  button.onclick = () => {
    button.hidden = true;
    shown.item.append(correction(shown, id, button));
    shown.item.querySelector('textarea').focus();
  };
  shown.item.append(element('br'), button);
}

function correction(shown, id, button) {
  const form = element('form');
  const label = element('label', 'The right answer');
  const text = element('textarea', shown.content.textContent.trim());
  text.required = true;
  label.append(text);
  const teach = element('button', 'Teach', 'small');
  teach.type = 'submit';
  form.append(label, teach);
  form.onsubmit = async (event) => {
    event.preventDefault();
    teach.disabled = true;
    try {
      await post('/v1/teach', {rows: [{id, answer: text.value}]});
      form.replaceWith(element('p', 'Will be learned: ' + text.value, 'done'));
      const at = said.findIndex((m) => m.role === 'assistant' && m.content === shown.content.textContent);
      if (at >= 0) said[at].content = text.value;
      refresh();
    } catch (error) {
      teach.disabled = false;
      complain(form, error);
      button.hidden = false;
    }
  };
  return form;
}

// ---- what is learned -------------------------------------------------------------------------------

function progressText(s) {
  if (s.problem) return 'Learning stopped: ' + s.problem;
  if (s.learning) {
    const l = s.learning;
    const steps = l.phase === 'training' ? `, step ${l.step} of ${l.steps}` : '';
    return `${l.task}: ${l.phase}${steps}`;
  }
  if (s.rows_waiting) return `${s.rows_waiting} taught, not learned yet`;
  return s.paused ? 'Paused' : 'Nothing to learn';
}

function entryItem(entry, deployed) {
  const item = element('li', undefined, entry.kind);
  const title = element('p');
  title.append(element('strong', entry.kind.replace('_', ' ')), ` ${entry.task} (${entry.number})`);
  item.append(title, element('p', entry.reason));
  const scores = [entry.own, ...entry.earlier].filter(Boolean);
  for (const s of scores)
    item.append(element('p', `${s.task}: ${s.before.toFixed(3)} to ${s.after.toFixed(3)}, ${s.rows} ${s.rows === 1 ? 'row' : 'rows'}`));
  if (entry.adapter && entry.number !== deployed) {
    const back = element('button', 'Go back to this', 'small');
    back.type = 'button';
    back.setAttribute('aria-label', `Go back to entry ${entry.number}`);
    back.onclick = async () => {
      try {
        await post('/v1/rollback', {deployment: entry.number});
        refresh();
      } catch (error) {
        complain(item, error);
      }
    };
    item.append(back);
  } else if (entry.number === deployed) {
    item.append(element('p', 'This answers now.'));
  }
  return item;
}

// The scores of each task over the deployments, as lines of an SVG.
function chart(entries) {
  const lines = new Map();
  let at = 0;
  for (const entry of entries.filter((e) => e.kind === 'deployed')) {
    ++at;
    for (const s of [entry.own, ...entry.earlier].filter(Boolean)) {
      if (!lines.has(s.task)) lines.set(s.task, []);
      lines.get(s.task).push([at, s.after]);
    }
  }
  if (at === 0) return element('p', 'Nothing is deployed yet.');
  const svg = (tag, attributes, text) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const x = (i) => 30 + (at > 1 ? ((i - 1) / (at - 1)) * 250 : 0), y = (v) => 110 - v * 95;
  const root = svg('svg', {viewBox: '0 0 400 125', role: 'img', 'aria-label': 'score of each task after each deployment'});
  for (const v of [0, 0.5, 1]) {
    root.append(svg('line', {class: 'axis', x1: 30, x2: 285, y1: y(v), y2: y(v)}));
    root.append(svg('text', {x: 4, y: y(v) + 4}, v));
  }
  let label = 0;
  for (const [task, points] of lines) {
    root.append(svg('polyline', {class: 'line', points: points.map(([i, v]) => `${x(i)},${y(v)}`).join(' ')}));
    for (const [i, v] of points) root.append(svg('circle', {cx: x(i), cy: y(v), r: 3}));
    const last = points[points.length - 1][1];
    label = Math.max(y(last) + 4, label + 12);
    root.append(svg('text', {x: 292, y: label}, task.slice(0, 18)));
  }
  return root;
}

let journalShown = '';
async function refresh() {
  const status = await get('/v1/teach');
  $('progress').textContent = progressText(status);
  const l = status.learning;
  $('bar').hidden = !(l && l.phase === 'training' && l.steps > 0);
  if (l && l.steps > 0) $('bar').value = l.step / l.steps;
  $('learn').disabled = !status.rows_waiting;
  $('pause').textContent = status.paused ? 'Go on' : 'Pause';
  $('pause').setAttribute('aria-pressed', status.paused);
  const journal = (await get('/v1/deployments')).data;
  const text = JSON.stringify(journal);
  if (text === journalShown) return;
  journalShown = text;
  $('journal').replaceChildren(...journal.slice().reverse().map((e) => entryItem(e, status.deployed)));
  $('chart').replaceChildren(chart(journal));
  await listModels();
}

async function listModels() {
  const models = (await get('/v1/models')).data.map((m) => m.id);
  name = models[0];
  $('name').textContent = name;
  document.title = name + ' – ilora';
  const chosen = $('model').value;
  $('model').replaceChildren(...models.map((m) => {
    const option = element('option', m === name ? m + ' (deployed)' : m);
    option.value = m;
    return option;
  }));
  if (models.includes(name + ':slow') && models.includes(name + ':fast')) {
    const option = element('option', 'between slow and fast');
    option.value = 'between';
    $('model').append(option);
  }
  if ([...$('model').options].some((o) => o.value === chosen)) $('model').value = chosen;
}

async function watch() {
  for (;;) {
    try {
      await refresh();
      $('state').textContent = '';
    } catch (error) {
      $('state').textContent = error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// ---- what the buttons do ---------------------------------------------------------------------------

$('ask').onsubmit = async (event) => {
  event.preventDefault();
  const question = $('question').value.trim();
  if (!question) return;
  $('question').value = '';
  const button = $('ask').querySelector('button');
  button.disabled = true;
  await ask(question);
  button.disabled = false;
  $('question').focus();
};
$('question').onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    $('ask').requestSubmit();
  }
};
$('new').onclick = () => {
  said.length = 0;
  $('messages').replaceChildren();
  $('question').focus();
};
$('model').onchange = () => { $('between').hidden = $('model').value !== 'between'; };
$('share').oninput = () => { $('share-value').textContent = $('share').value; };
$('learn').onclick = async () => {
  try {
    const waiting = (await get('/v1/teach')).waiting;
    for (const task of Object.keys(waiting)) await post('/v1/teach/learn', {task});
    refresh();
  } catch (error) {
    $('state').textContent = error.message;
  }
};
$('pause').onclick = async () => {
  const paused = $('pause').getAttribute('aria-pressed') === 'true';
  await post(paused ? '/v1/teach/resume' : '/v1/teach/pause', {});
  refresh();
};

(async () => {
  await listModels();
  const teaches = await get('/v1/teach').then(() => true, () => false);
  $('learning').hidden = !teaches;
  if (teaches) watch();
})().catch((error) => { $('state').textContent = error.message; });
