// Draws what `ilora analyze` wrote (report/figures.h says what a figure is): a panel for each
// figure and run, with its own choice of view, names to hide, and scale. Called by page.js, which
// hands over its tools.
window.drawAnalyses = function (kit) {
  'use strict';
  const { data, style, plain, shorten, element, small, layout, colourOf, dashOf, pictures, addScale } = kit;

  const isNumber = (v) => typeof v === 'number';
  const format = (v) => (v === null ? '–' : Number(v.toPrecision(4)).toString());
  const short = (v) => (v === null ? '–' : Math.abs(v) < 10 ? v.toFixed(2) : v.toFixed(0));
  // A share of something lies between 0 and 1 and is drawn so.
  const isShare = (label) => label === 'score' || label === 'CKA' || label === 'overlap';

  // ---- Lines ----

  function lines(figure, view, state, width) {
    const made = layout(width);
    const named = !view.x.every(isNumber);
    const traces = view.series.map((s) => ({
      name: plain(shorten(s.name, 32)),
      x: view.x.map((x) => (isNumber(x) ? x : plain(x))),
      y: state.log ? s.values.map((v) => (v > 0 ? v : null)) : s.values,
      visible: !state.hidden.has(s.name),
      mode: view.x.length > 40 ? 'lines' : 'lines+markers',
      line: { color: colourOf(state.names.indexOf(s.name)), dash: dashOf(state.names.indexOf(s.name)), width: 2 },
      marker: { size: 5 },
      hovertemplate: '%{y:.4~g}',
    }));
    if (made.hovermode === 'closest')
      traces.forEach((t) => (t.hovertemplate = t.name + '<br>%{x}: %{y:.4~g}<extra></extra>'));
    made.xaxis.title.text = plain(figure.x_label || '');
    made.yaxis.title.text = plain(figure.y_label || '');
    made.yaxis.type = state.log ? 'log' : 'linear';
    if (named) made.xaxis.type = 'category';
    if (isShare(figure.y_label) && !state.log) {
      const low = Math.min(...view.series.flatMap((s) => s.values.filter(isNumber)));
      // Representations hardly differ: the whole range would show one line.
      made.yaxis.range = figure.y_label === 'CKA' && low > 0.1 ? undefined : [-0.03, 1.04];
    }
    for (const at of figure.marks || [])
      made.shapes.push({
        type: 'line', layer: 'below', x0: at, x1: at, y0: 0, y1: 1, yref: 'paper',
        line: { color: style('--muted'), width: 1, dash: 'dot' },
      });
    return { traces: traces, layout: made };
  }

  // ---- Maps ----

  // The lowest and highest value of several views, as they are shown; null where there is none.
  function rangeOf(views, shown) {
    let low = Infinity, high = -Infinity;
    for (const view of views)
      for (const row of view.z)
        for (const value of row.map(shown).filter(isNumber)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
    return low < high ? [low, high] : null;
  }

  function map(figure, view, state, width) {
    const made = layout(width);
    const numeric = view.x.every(isNumber) && view.y.every(isNumber);
    const shown = (v) => (v === null || (state.log && v <= 0) ? null : state.log ? Math.log10(v) : v);
    const trace = {
      type: figure.contours && numeric ? 'contour' : 'heatmap',
      x: view.x.map((x) => (isNumber(x) ? x : plain(x))),
      y: view.y.map((y) => (isNumber(y) ? y : plain(y))),
      z: view.z.map((row) => row.map(shown)),
      customdata: view.z.map((row) => row.map(format)),
      hovertemplate: '%{x:.4~g}, %{y:.4~g}<br>' + plain(figure.z_label || '') + ' %{customdata}<extra></extra>',
      colorscale: [[0, style('--heat-0')], [1, style('--heat-1')]],
      colorbar: {
        thickness: 10, outlinewidth: 0, tickfont: { size: 11 }, len: 1,
        title: { text: plain((state.log ? 'log₁₀ ' : '') + (figure.z_label || '')), side: 'right', font: { size: 12 } },
      },
    };
    if (!numeric) {
      trace.hovertemplate = '%{x}, %{y}<br>' + plain(figure.z_label || '') + ' %{customdata}<extra></extra>';
      trace.xgap = trace.ygap = 1;
      const few = view.x.length * view.y.length <= 150;
      if (few && width > 70 * view.x.length + 120)
        Object.assign(trace, { text: view.z.map((row) => row.map(short)), texttemplate: '%{text}', textfont: { size: 11 } });
      if (!view.x.every(isNumber)) made.xaxis.type = 'category';
      if (!view.y.every(isNumber)) Object.assign(made.yaxis, { type: 'category', autorange: 'reversed' });
    }
    if (trace.type === 'contour')
      Object.assign(trace, { ncontours: 14, line: { width: 0.6, color: style('--muted') } });
    // One scale for all panels of a view.
    const range = figure.range && !state.log ? figure.range : rangeOf(state.siblings(view.name), shown);
    if (range) Object.assign(trace, { zmin: range[0], zmax: range[1], zauto: false });
    const traces = [trace];
    (view.paths || []).forEach((path, i) => {
      const colour = style(['--c1', '--c4', '--c2', '--c6'][i % 4]);
      traces.push({
        name: plain(path.name),
        x: path.x,
        y: path.y,
        text: path.labels.map((l) => plain(path.name + ' ' + l)),
        visible: !state.hidden.has(path.name),
        mode: 'lines+markers',
        line: { color: colour, width: 2, dash: dashOf(i * 8) },
        marker: {
          size: path.x.map((_, k) => (k + 1 === path.x.length ? 11 : 7)),
          color: colour,
          line: { color: style('--card'), width: 1.5 },
        },
        hovertemplate: '%{text}<extra></extra>',
      });
    });
    made.hovermode = 'closest';
    made.height = view.paths ? 400 : Math.max(200, Math.min(420, 90 + 26 * view.y.length));
    Object.assign(made.xaxis, { showgrid: false });
    Object.assign(made.yaxis, { showgrid: false });
    made.xaxis.title.text = plain(figure.x_label || '');
    made.yaxis.title.text = plain(figure.y_label || '');
    made.margin.r = 4;
    return { traces: traces, layout: made };
  }

  // ---- Panels ----

  function controls(place, figure, state, owner) {
    place.replaceChildren();
    const view = figure.views[state.view];
    if (figure.views.length > 1) {
      const choice = element('select');
      choice.setAttribute('aria-label', 'what is shown');
      figure.views.forEach((v, i) => {
        const option = element('option', '', v.name);
        option.value = String(i);
        option.selected = i === state.view;
        choice.append(option);
      });
      choice.onchange = () => {
        state.view = Number(choice.value);
        owner.draw();
        place.querySelector('select').focus();
      };
      place.append(choice);
    }
    const names = (view.series || view.paths || []).map((s) => s.name).filter((n) => n);
    names.forEach((name, index) => {
      if (names.length === 1) return;
      const button = element('button', '', name);
      button.type = 'button';
      button.setAttribute('aria-pressed', String(!state.hidden.has(name)));
      const swatch = element('i', 'swatch');
      swatch.style.background = view.series ? colourOf(state.names.indexOf(name)) : style(['--c1', '--c4', '--c2', '--c6'][index % 4]);
      button.prepend(swatch);
      button.onclick = () => {
        if (!state.hidden.delete(name)) state.hidden.add(name);
        owner.draw();
        [...place.querySelectorAll('button')].find((b) => b.textContent === name).focus();
      };
      place.append(button);
    });
    if (figure.log) addScale(place, state, owner);
  }

  // `all`: the figures of this id, one for each run. Their names have one colour in all panels and
  // views, and their maps one scale.
  function panel(place, figure, caption, all) {
    const node = element('figure');
    node.append(element('figcaption', '', caption));
    const bar = element('div', 'legend');
    const plot = element('div', 'plot');
    node.append(bar, plot);
    place.append(node);
    const views = all.flatMap((f) => f.views);
    const state = {
      view: 0, hidden: new Set(), log: false,
      names: [...new Set(views.flatMap((v) => (v.series || []).map((s) => s.name)))],
      siblings: (name) => views.filter((v) => v.name === name && v.z),
    };
    const self = {
      draw(width) {
        const size = width || Math.floor(plot.getBoundingClientRect().width);
        const view = figure.views[state.view];
        const made = (figure.kind === 'map' ? map : lines)(figure, view, state, size);
        plot.style.height = made.layout.height + 'px';
        Plotly.react(plot, made.traces, made.layout, { displayModeBar: false, responsive: false });
        controls(bar, figure, state, self);
      },
      // Printed two to a row, but for one that is alone.
      get panels() { return Math.min(place.children.length, 2); },
    };
    pictures.push(self);
  }

  for (const analysis of data.analyses || []) {
    const place = document.getElementById('analysis-' + analysis.name).querySelector('.panels');
    const ids = [];
    for (const run of analysis.runs)
      for (const figure of run.figures)
        if (figure.views.length && !ids.includes(figure.id)) ids.push(figure.id);
    for (const id of ids) {
      const drawn = (run) => run.figures.filter((f) => f.id === id && f.views.length);
      const all = analysis.runs.flatMap(drawn);
      for (const run of analysis.runs)
        for (const figure of drawn(run))
          panel(place, figure, figure.title + (data.runs.length > 1 ? ` – ${run.label}` : ''), all);
    }
  }
};
