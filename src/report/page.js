// Draws the report's pictures with Plotly.js from the JSON in #report-data (written by page_data.cpp). Tables and words
// are in the page already. One panel per run, side by side; a name has one colour and one axis in all panels.
(function () {
  'use strict';
  if (typeof Plotly === 'undefined') return;
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const dashes = ['solid', 'dash', 'dot', 'dashdot'];
  const dashArrays = { solid: '', dash: '6 3', dot: '2 2', dashdot: '6 2 2 2' };
  const colours = 8;
  const pictures = []; // each: { draw(), used }

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colourOf = (index) => style('--c' + (index % colours));
  const dashOf = (index) => dashes[Math.floor(index / colours) % dashes.length];
  // Names come from files; Plotly reads its texts as a small HTML with %{templates}.
  const plain = (text) =>
    String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/%/g, '&#37;');
  const shorten = (text, length) => (text.length > length ? text.slice(0, Math.max(1, length - 1)) + '…' : text);
  const element = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  // Whether every text fits a width in pixels at the size of tick labels. Wide scripts count double.
  const fits = (texts, room) =>
    texts.every((text) => [...text].reduce((sum, c) => sum + (c.codePointAt(0) > 0x2e7f ? 12 : 6.6), 8) <= room);
  // The sum of the terms is drawn broad and pale: where there is one term, it equals the sum and lies on it.
  const isTotal = (name) => name === 'loss' || name === 'total';
  const readable = (name) => (name === 'loss' ? 'total loss' : name.replace(/_/g, ' '));

  // ---- What all pictures share ----

  // A phone: no zooming under a finger that scrolls, and one value at a time instead of a box of all.
  const small = () => window.innerWidth < 720;

  function layout(width) {
    const axis = {
      gridcolor: style('--grid'),
      linecolor: style('--line'),
      zeroline: false,
      automargin: true,
      fixedrange: small(),
      tickfont: { size: 11 },
      title: { font: { size: 12 }, standoff: 8 },
    };
    return {
      width: width,
      height: 270,
      margin: { l: 46, r: 12, t: 22, b: 40 },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: style('--muted') },
      hoverlabel: {
        bgcolor: style('--card'),
        bordercolor: style('--line'),
        font: { color: style('--text'), size: 12 },
        namelength: 24,
      },
      hovermode: small() ? 'closest' : 'x unified',
      dragmode: small() ? false : 'zoom',
      showlegend: false,
      xaxis: Object.assign({}, axis, { title: Object.assign({}, axis.title) }),
      yaxis: Object.assign({}, axis, { title: Object.assign({}, axis.title) }),
      shapes: [],
      annotations: [],
    };
  }

  // A section of panels, its legend of names, and what is hidden. `describe(run, state, width)` gives the traces and
  // layout of one panel, or null.
  function picture(section, names, runs, describe, options) {
    const state = { hidden: new Set(), log: false };
    const panels = runs.map((run) => {
      const figure = element('figure');
      figure.append(element('figcaption', '', run.label));
      const plot = element('div', 'plot');
      figure.append(plot);
      section.querySelector('.panels').append(figure);
      return { run: run, plot: plot };
    });
    const self = {
      draw(width) {
        for (const panel of panels) {
          const size = width || Math.floor(panel.plot.getBoundingClientRect().width);
          const made = describe(panel.run, state, size);
          Plotly.react(panel.plot, made.traces, made.layout, { displayModeBar: false, responsive: false });
        }
        legend(section.querySelector('.legend'), names, state, options || {}, self);
      },
      panels: panels.length,
    };
    section.hidden = false;
    pictures.push(self);
  }

  function legend(place, names, state, options, owner) {
    place.replaceChildren();
    names.forEach((name, index) => {
      if (names.length === 1) return;
      const button = element('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', String(!state.hidden.has(name)));
      const dash = dashArrays[dashOf(index)];
      button.innerHTML =
        '<svg viewBox="0 0 18 8" aria-hidden="true"><line x1="0" y1="4" x2="18" y2="4" ' +
        (options.scale && isTotal(name) ? 'stroke-width="6" stroke-opacity="0.4" ' : 'stroke-width="3" ') +
        `stroke="${colourOf(index)}" stroke-dasharray="${dash}"/></svg>`;
      button.append(options.show ? options.show(name, index) : name);
      button.onclick = () => {
        if (!state.hidden.delete(name)) state.hidden.add(name);
        owner.draw();
        place.children[index].focus();
      };
      place.append(button);
    });
    if (options.scale) addScale(place, state, owner);
  }

  // A button between a linear and a logarithmic y axis.
  function addScale(place, state, owner) {
    const scale = element('button', 'scale', state.log ? 'Linear scale' : 'Logarithmic scale');
    scale.type = 'button';
    scale.onclick = () => {
      state.log = !state.log;
      owner.draw();
      place.querySelector('.scale').focus();
    };
    place.append(scale);
  }

  // ---- Accuracy over time ----

  function accuracy() {
    const runs = data.runs.filter((run) => run.scores.length > 1);
    if (runs.length === 0) return;
    // The numbers that narrow pictures show instead of names, where they mean the same in every run.
    const numbered = runs.every((run) => run.tasks.join('\n') === data.tasks.join('\n'));
    picture(document.getElementById('accuracy'), data.tasks, runs, accuracyPanel, {
      show: (name, index) => (numbered ? `${index + 1}  ${name}` : name),
    });
  }

  function accuracyPanel(run, state, width) {
    const when = run.scores.map((_, k) => k);
    const names = when.map((k) => (k === 0 ? 'before training' : 'after ' + run.tasks[k - 1]));
    const traces = run.tasks.map((task, j) => {
      const index = data.tasks.indexOf(task);
      return {
        name: plain(shorten(task, 32)),
        x: when,
        y: run.scores.map((row) => row[j]),
        mode: 'lines+markers',
        connectgaps: true, // a matrix may have a task's first and last score alone
        visible: !state.hidden.has(task),
        line: { color: colourOf(index), dash: dashOf(index), width: 2 },
        marker: {
          color: when.map((k) => (k === j + 1 ? colourOf(index) : style('--card'))),
          size: when.map((k) => (k === j + 1 ? 9 : 5)),
          line: { color: colourOf(index), width: 1.5 },
        },
        hovertemplate: '%{y:.3f}',
      };
    });
    traces.push({
      name: 'mean of learned tasks',
      x: when.slice(1),
      y: when.slice(1).map((k) => mean(run.scores[k].slice(0, k))),
      mode: 'lines+markers',
      marker: { size: 4 },
      line: { color: style('--muted'), dash: 'dash', width: 2 },
      hovertemplate: '%{y:.3f}',
    });
    const made = layout(width);
    const space = (width - 70) / run.tasks.length;
    const named = fits(run.tasks, space);
    Object.assign(made.xaxis, {
      tickvals: when,
      ticktext: when.map((k) => (named ? plain(k === 0 ? 'before' : run.tasks[k - 1]) : String(k))),
      tickangle: 0,
      range: [-0.4, run.tasks.length + 0.4],
      showgrid: false,
    });
    if (made.hovermode === 'closest')
      traces.forEach((trace) => {
        trace.text = trace.x.map((k) => plain(names[k]));
        trace.hovertemplate = trace.name + '<br>%{text}: %{y:.3f}<extra></extra>';
      });
    made.xaxis.title.text = named ? 'after task' : 'tasks learned';
    Object.assign(made.yaxis, { range: [-0.03, 1.04], tickformat: '.1f' });
    return { traces: traces, layout: made };
  }

  const mean = (values) =>
    values.some((v) => v === null) ? null : values.reduce((sum, v) => sum + v, 0) / values.length;

  // ---- The first task, all runs in one picture ----

  function firstTask() {
    const runs = data.runs.filter((run) => run.scores.length > 1);
    if (runs.length < 2 || !runs.every((run) => run.tasks[0] === runs[0].tasks[0])) return;
    const section = document.getElementById('first');
    section.querySelector('h2').textContent = `${runs[0].tasks[0]}, the first task, as later ones come`;
    const names = runs.map((run) => run.label);
    picture(section, names, [{ label: '' }], (_, state, width) => {
      const made = layout(width);
      const traces = runs.map((run, index) => ({
        name: plain(shorten(run.label, 32)),
        x: run.scores.map((_row, k) => k),
        y: run.scores.map((row) => row[0]),
        mode: 'lines+markers',
        connectgaps: true,
        visible: !state.hidden.has(run.label),
        line: { color: colourOf(index), dash: dashOf(index), width: 2 },
        hovertemplate: made.hovermode === 'closest' ? '%{x} learned: %{y:.3f}' : '%{y:.3f}',
      }));
      made.xaxis.title.text = 'tasks learned';
      Object.assign(made.xaxis, { dtick: 1, showgrid: false });
      Object.assign(made.yaxis, { range: [-0.03, 1.04], tickformat: '.1f' });
      return { traces: traces, layout: made };
    });
  }

  // ---- Curves over steps ----

  function curves(group, hint, axisTitle) {
    const runs = data.runs.filter((run) => run.curves.series.some((s) => s.group === group));
    if (runs.length === 0) return;
    const section = document.getElementById(group);
    const names = [];
    for (const run of runs)
      for (const s of run.curves.series)
        if (s.group === group && !names.includes(s.name)) names.push(s.name);
    const range = shared(runs, group);
    const coarsest = Math.max(...runs.map((run) => run.curves.steps_per_point));
    section.querySelector('.note').textContent =
      hint +
      (coarsest > 1 ? ` Thin: means over up to ${coarsest} steps; bold:` : ' Thin: every step; bold:') +
      ' a running mean within the task. Vertical lines: a new task begins.';
    picture(section, names, runs, (run, state, width) => {
      const made = layout(width);
      const traces = [];
      for (const s of run.curves.series) {
        if (s.group !== group || state.hidden.has(s.name)) continue;
        const colour = colourOf(names.indexOf(s.name));
        const total = isTotal(s.name) && names.length > 1;
        const smooth = smoothed(s.values, run.curves.task_index);
        const shown = (values) => (state.log ? values.map((v) => (v > 0 ? v : null)) : values);
        const line = { x: run.curves.step, mode: 'lines', connectgaps: false };
        if (smooth)
          traces.push(Object.assign({}, line, {
            y: shown(s.values), opacity: 0.28, hoverinfo: 'skip', line: { color: colour, width: 1 },
          }));
        traces.push(Object.assign({}, line, {
          name: plain(readable(s.name)),
          y: shown(smooth || s.values),
          opacity: total ? 0.4 : 1,
          line: { color: colour, width: total ? 6 : 2, dash: dashOf(names.indexOf(s.name)) },
          hovertemplate: '%{y:.4~g}',
        }));
      }
      if (made.hovermode === 'closest')
        traces.forEach((trace) => {
          trace.hovertemplate = trace.name + '<br>step %{x}: %{y:.4~g}<extra></extra>';
        });
      boundaries(made, run, width);
      made.xaxis.title.text = 'step';
      made.yaxis.title.text = axisTitle;
      made.yaxis.type = state.log ? 'log' : 'linear';
      made.yaxis.range = state.log ? range.log : range.linear;
      if (state.log && range.log[1] - range.log[0] > 1) made.yaxis.dtick = 1;
      return { traces: traces, layout: made };
    }, { scale: true, show: readable });
  }

  // The mean over a window that never reaches into another task; null where there are too few points to need it.
  function smoothed(values, task) {
    const half = Math.floor(values.length / 120);
    if (half < 1) return null;
    return values.map((value, i) => {
      if (value === null) return null;
      let sum = 0;
      let count = 0;
      for (let k = Math.max(0, i - half); k <= Math.min(values.length - 1, i + half); ++k) {
        if (task[k] !== task[i] || values[k] === null) continue;
        sum += values[k];
        ++count;
      }
      return sum / count;
    });
  }

  // One range for all panels of a group, on a linear and on a logarithmic axis.
  function shared(runs, group) {
    let low = Infinity;
    let smallest = Infinity;
    let high = -Infinity;
    for (const run of runs)
      for (const s of run.curves.series)
        for (const v of s.group === group ? s.values : []) {
          if (v === null) continue;
          low = Math.min(low, v);
          high = Math.max(high, v);
          if (v > 0) smallest = Math.min(smallest, v);
        }
    if (low >= 0) low = 0;
    const pad = (high - low || 1) * 0.04;
    const top = Math.log10(Math.max(high, 1e-12));
    const bottom = smallest === Infinity ? top - 1 : Math.max(Math.log10(smallest), top - 9);
    const logPad = (top - bottom || 1) * 0.05;
    return { linear: [low - (low < 0 ? pad : 0), high + pad], log: [bottom - logPad, top + logPad] };
  }

  // A line where each task begins; above the spans the tasks' names, or their numbers where a name has no room.
  function boundaries(made, run, width) {
    const steps = run.curves.step;
    const task = run.curves.task_index;
    const first = steps[0];
    const last = steps[steps.length - 1];
    const perStep = (width - 70) / Math.max(last - first, 1);
    made.xaxis.range = [first - (last - first) * 0.01, last + (last - first) * 0.01];
    if (first === last) made.xaxis.range = [first - 1, first + 1];
    const spans = [];
    for (let begin = 0; begin < task.length; ) {
      let end = begin;
      while (end < task.length && task[end] === task[begin]) ++end;
      const from = begin === 0 ? first : (steps[begin - 1] + steps[begin]) / 2;
      const to = end === task.length ? last : (steps[end - 1] + steps[end]) / 2;
      if (begin > 0)
        made.shapes.push({
          type: 'line', layer: 'below', x0: from, x1: from, y0: 0, y1: 1, yref: 'paper',
          line: { color: style('--muted'), width: 1, dash: 'dot' },
        });
      spans.push({ middle: (from + to) / 2, room: (to - from) * perStep, number: task[begin] + 1 });
      begin = end;
    }
    const named = spans.every((span) => fits([run.tasks[span.number - 1] || ''], span.room));
    for (const span of spans)
      if (span.room > 14)
        made.annotations.push({
          x: span.middle, y: 1, xref: 'x', yref: 'paper', yanchor: 'bottom', showarrow: false,
          text: named ? plain(run.tasks[span.number - 1] || span.number) : String(span.number),
          font: { size: 11 },
        });
  }

  // ---- Drawing, and drawing again ----

  const drawAll = () => pictures.forEach((p) => p.draw());
  accuracy();
  firstTask();
  curves('loss', 'The total, and every term that the method reports.', '');
  curves('gradient_norms', 'Norm of the gradient over all trained parameters, in total and of each term.', '');
  curves('distance', 'Euclidean distance between the parameters of the two learners.', '');
  if (window.drawAnalyses)
    window.drawAnalyses({ data, style, plain, shorten, element, small, layout, colourOf, dashOf, pictures, addScale });
  drawAll();

  let waiting = 0;
  let width = window.innerWidth;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return; // a phone's address bar
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  // Paper is white, and narrower than most windows: two panels to a row.
  window.addEventListener('beforeprint', () => {
    document.documentElement.dataset.theme = 'light';
    pictures.forEach((p) => p.draw(p.panels > 1 ? 300 : 640));
  });
  window.addEventListener('afterprint', () => {
    delete document.documentElement.dataset.theme;
    drawAll();
  });
})();
