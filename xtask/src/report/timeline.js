// What a mark says is shown under the drawing at once; a browser's own hint comes late, and not at all on a touch.
for (const chart of document.querySelectorAll('.chart')) {
  const under = chart.nextElementSibling;
  const svg = chart.querySelector('svg');
  const entry = under.querySelector('.entry');
  const marks = [...svg.querySelectorAll('g, a')];
  // The hint would cover what it is about.
  for (const mark of marks) {
    const title = mark.querySelector('title');
    mark.setAttribute('aria-label', title.textContent);
    title.remove();
    mark.tabIndex = 0;
    for (const name of ['pointerenter', 'focus', 'click'])
      mark.addEventListener(name, () => {
        entry.textContent = mark.getAttribute('aria-label');
        entry.classList.remove('dim');
      });
  }
  let stretch = 1;
  for (const button of under.querySelectorAll('button'))
    button.addEventListener('click', () => {
      const box = chart.querySelector('.stretch');
      const middle = (box.scrollLeft + box.clientWidth / 2) / stretch;
      stretch = Math.min(32, Math.max(1, stretch * button.dataset.stretch));
      svg.setAttribute('width', `${stretch * 100}%`);
      box.scrollLeft = middle * stretch - box.clientWidth / 2;
    });
}
