// Returns a list of what is wrong with this page on a phone; an empty list if nothing is. Arguments: the width that the
// page must be laid out for (null: the width of its frame), and the colour scheme that it must have.
const [width, scheme] = arguments;
const faults = [];
const demand = (holds, fault) => holds || faults.push(fault);
const named = element => element.outerHTML.slice(0, 80);

const root = document.documentElement;
demand(!width || root.clientWidth === width, `it is laid out for ${root.clientWidth} px`);
demand(root.scrollWidth <= root.clientWidth, `it scrolls sideways: ${root.scrollWidth} px in ${root.clientWidth}`);
demand(root.lang, 'it has no language');
demand(document.title.trim(), 'it has no title');
demand(document.querySelectorAll('h1').length === 1, 'it does not have exactly one h1');
for (const frame of document.querySelectorAll('iframe')) demand(frame.title, `without a title: ${named(frame)}`);

for (const control of document.querySelectorAll('button, input, select, textarea, a.button')) {
  if (!control.checkVisibility()) continue;
  const { height } = control.getBoundingClientRect();
  demand(height >= 44, `${height} px high: ${named(control)}`);
  if (control.matches('input, select, textarea')) demand(control.labels.length, `without a label: ${named(control)}`);
}

// WCAG 2.2, 1.4.3: the contrast of text against its background.
const channels = colour => colour.match(/[\d.]+/g).map(Number);
const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = colour => {
  const [red, green, blue] = channels(colour).map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = element => {
  const colour = getComputedStyle(element).backgroundColor;
  return channels(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour;
};
demand(luminance(behind(document.body)) < 0.2 === (scheme === 'dark'), `it is not ${scheme}`);
for (const element of document.body.querySelectorAll('*')) {
  const hasText = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!hasText || !element.checkVisibility()) continue;
  const [dark, light] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => a - b);
  const contrast = (light + 0.05) / (dark + 0.05);
  demand(contrast >= 4.5, `a contrast of ${contrast.toFixed(1)}: ${named(element)}`);
}
return faults;
