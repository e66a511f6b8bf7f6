// What a page of the report does; without it, it can still be read, but for what the overview unfolds.

// Brings what is in an element to life.
const enliven = (root) => {
  for (const code of root.querySelectorAll('.command code')) {
    const button = document.createElement('button');
    button.textContent = 'copy';
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'copied';
      } catch {
        // Not everywhere a page may; then it is selected.
        getSelection().selectAllChildren(code);
      }
    });
    code.after(' ', button);
  }
  for (const chart of root.querySelectorAll('.chart')) draw(chart);
};

// What a mark says is shown under the drawing at once; a browser's own hint comes late, and not at all on a touch.
const draw = (chart) => {
  const under = chart.nextElementSibling;
  const svg = chart.querySelector('svg');
  const entry = under.querySelector('.entry');
  const tell = (mark) => {
    entry.textContent = mark.getAttribute('aria-label');
    entry.classList.remove('dim');
  };
  const marks = [...svg.querySelectorAll('g, a')];
  for (const [index, mark] of marks.entries()) {
    const title = mark.querySelector('title');
    mark.setAttribute('aria-label', title.textContent);
    // The hint would cover what it is about.
    title.remove();
    // One stop for the tab key; from there the arrows lead on.
    mark.setAttribute('tabindex', index ? -1 : 0);
    mark.addEventListener('keydown', (event) => {
      const next = marks[index + (event.key == 'ArrowRight') - (event.key == 'ArrowLeft')];
      if (!next || next == mark) return;
      event.preventDefault();
      next.focus();
      // A window in the background is told of no focus.
      tell(next);
    });
    for (const name of ['pointerenter', 'focus', 'click']) mark.addEventListener(name, () => tell(mark));
  }
  const box = chart.querySelector('.stretch');
  const buttons = under.querySelectorAll('button');
  let stretch = 1;
  for (const button of buttons)
    button.addEventListener('click', () => {
      const middle = (box.scrollLeft + box.clientWidth / 2) / stretch;
      stretch = Math.min(STRETCH_MAX, Math.max(1, stretch * button.dataset.stretch));
      svg.setAttribute('width', `${stretch * 100}%`);
      box.scrollLeft = middle * stretch - box.clientWidth / 2;
      buttons[0].disabled = stretch == 1;
      buttons[1].disabled = stretch == STRETCH_MAX;
    });
};
const STRETCH_MAX = 32;

// The overview: what is unfolded is made when it is, and what is looked for stands in the address.
const list = () => {
  const form = document.getElementById('filters');
  const place = document.getElementById('trials');
  const all = Array.from(place.children, (element, index) => ({
    element,
    index,
    text: element.firstElementChild.textContent.toLowerCase(),
    name: element.querySelector('a').textContent,
  }));
  for (const element of document.querySelectorAll('.trial, #matrix'))
    element.addEventListener('toggle', () => {
      const body = element.querySelector('script');
      if (!body) return;
      const made = document.createElement('div');
      made.className = 'body';
      made.innerHTML = body.textContent;
      body.replaceWith(made);
      enliven(made);
    });

  const orders = {
    '': (a, b) => a.index - b.index,
    wall: (a, b) => b.element.dataset.wall - a.element.dataset.wall,
    name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index),
  };
  const look = () => {
    const { text, order, ...wants } = Object.fromEntries(new FormData(form));
    const words = text.toLowerCase().split(' ');
    const isWanted = ({ element: { dataset }, text }) =>
      words.every((word) => text.includes(word)) &&
      Object.entries(wants).every(([key, value]) => !value || dataset[key].split(' ').includes(value));
    const shown = all.filter(isWanted).sort(orders[order]);
    // A browser looks at each box of its own at each step of scrolling; at thousands of them, it stutters.
    const boxes = [];
    for (let from = 0; from < shown.length; from += BOX_TRIALS) {
      const box = document.createElement('div');
      box.append(...shown.slice(from, from + BOX_TRIALS).map(({ element }) => element));
      boxes.push(box);
    }
    place.replaceChildren(...boxes);
    form.querySelector('output').textContent = `${shown.length} of ${all.length}`;
  };
  const told = new URLSearchParams(location.hash.slice(1));
  for (const [key, value] of told) if (form.elements[key]) form.elements[key].value = value;
  form.addEventListener('input', () => {
    look();
    const said = [...new FormData(form)].filter(([, value]) => value);
    history.replaceState(null, '', said.length ? '#' + new URLSearchParams(said) : location.pathname);
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  look();
};
const BOX_TRIALS = 50;
