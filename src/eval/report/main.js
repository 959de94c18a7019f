// Start, links (#item=KEY&arm=N, #arm=N&task=T&failure=F), the task at hand, colours, print.

function route() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (link.has('item')) {
    const number = numberOf.get(link.get('item'));
    if (number !== undefined) openItem(number, link.has('arm') ? Number(link.get('arm')) : undefined);
    return;
  }
  if (dialog.open) dialog.close();
  if (!link.has('arm')) return;
  Object.assign(filter, kNone, { outcome: '' }, Object.fromEntries([...link].filter(([name]) => name in kNone)));
  if (filter.task === 'all') filter.task = '';
  shown = kPage;
  drawAnswers();
  document.getElementById('answers').scrollIntoView();
}

function drawAll() {
  drawSummary();
  drawScatter();
  drawTasks();
  drawDepth();
  drawFailures();
  drawLost();
}

const pick = document.getElementById('task');
fill(pick, {}, [['all', 'all tasks'], ...tasks.map(task => [task, task])].map(([value, text]) => h('option', { value }, text)));
pick.addEventListener('change', () => { state.task = pick.value; drawAll(); });

const themes = ['system', 'light', 'dark'], dark = matchMedia('(prefers-color-scheme: dark)');
const theme = document.getElementById('theme');
let wanted = 'system';
function remember(value) { try { localStorage.setItem('pith-report-theme', value); } catch { /* private windows keep nothing */ } }
function recall() { try { return localStorage.getItem('pith-report-theme'); } catch { return null; } }
function colour(as) {
  document.documentElement.dataset.theme = as === 'system' ? (dark.matches ? 'dark' : 'light') : as;
  theme.textContent = `Colours: ${wanted}`;
}
if (themes.includes(recall())) wanted = recall();
theme.addEventListener('click', () => { wanted = themes[(themes.indexOf(wanted) + 1) % 3]; remember(wanted); colour(wanted); });
dark.addEventListener('change', () => colour(wanted));
colour(wanted);

document.getElementById('print').addEventListener('click', () => print());
let folded = [];
addEventListener('beforeprint', () => { colour('light'); folded = [...document.querySelectorAll('details.task:not([open])')]; for (const one of folded) one.open = true; });
addEventListener('afterprint', () => { colour(wanted); for (const one of folded) one.open = false; });

drawHeader();
drawAll();
drawAnswers();
drawNotes();
let width = innerWidth;
addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; drawScatter(); } });
addEventListener('hashchange', route);
route();
