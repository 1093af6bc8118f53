// Draws the hub's own description of its HTTP API. Everything is set as text: nothing that it says can be markup.

const METHODS = ['get', 'post', 'put', 'delete'];
/** How deep schemas are unfolded. */
const DEPTH_MAX = 6;

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== undefined && child !== ''));
  return node;
}

/** A sentence, with what stands between backticks as code. */
function text(sentence) {
  return (sentence ?? '').split('`').map((part, place) => (place % 2 ? el('code', {}, part) : part));
}

class Schemas {
  constructor(components) {
    this.components = components;
  }

  /** The schema that a reference means. */
  resolve(schema) {
    const name = schema?.$ref?.split('/').pop();
    return name ? this.components.schemas[name] : schema ?? {};
  }

  /** A type in few words. */
  type(given) {
    const name = given?.$ref?.split('/').pop();
    const schema = this.resolve(given);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
    const variants = schema.oneOf ?? schema.anyOf;
    if (variants) return variants.map((variant) => this.type(variant)).join(' | ');
    const types = [schema.type ?? 'any'].flat();
    if (types.includes('array')) return `list of ${this.type(schema.items)}`;
    return name && types.includes('object') ? name : types.join(' or ');
  }

  /** What a value of a schema looks like. */
  example(given, depth = 0) {
    const schema = this.resolve(given);
    if (schema.example !== undefined) return schema.example;
    if (schema.enum) return schema.enum[0];
    const variants = (schema.oneOf ?? schema.anyOf)?.filter((variant) => variant.type !== 'null');
    if (variants) return this.example(variants[0], depth);
    const type = [schema.type].flat().find((one) => one !== 'null');
    switch (type) {
      case 'array':
        return depth < DEPTH_MAX ? [this.example(schema.items, depth + 1)] : [];
      case 'object':
        return this.#object(schema, depth);
      case 'integer':
      case 'number':
        return schema.minimum ?? 0;
      case 'boolean':
        return true;
      default:
        return schema.format === 'uuid' ? '01935c1e-0000-7000-8000-000000000001' : '…';
    }
  }

  #object(schema, depth) {
    const value = {};
    if (depth >= DEPTH_MAX) return value;
    for (const [name, member] of Object.entries(schema.properties ?? {})) {
      if (schema.required?.includes(name) || member.example !== undefined) value[name] = this.example(member, depth + 1);
    }
    return value;
  }
}

function rows(members) {
  return el('table', {}, el('tbody', {}, ...members.map(([name, type, about]) =>
    el('tr', {}, el('td', {}, name), el('td', {}, el('span', { class: 'type' }, type), about ? el('br') : '', ...text(about))))));
}

function fields(schemas, given) {
  const schema = schemas.resolve(given);
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0) return '';
  return rows(members.map(([name, member]) => [
    schema.required?.includes(name) ? name : `${name}?`, schemas.type(member), member.description ?? schemas.resolve(member).description,
  ]));
}

function content(schemas, place) {
  const [kind, { schema } = {}] = Object.entries(place?.content ?? {})[0] ?? [];
  if (!schema) return [];
  const shown = kind.endsWith('json') ? [el('pre', {}, JSON.stringify(schemas.example(schema), null, 2))] : [el('p', {}, kind)];
  return [fields(schemas, schema), ...shown];
}

function operation(schemas, method, path, described) {
  const parameters = (described.parameters ?? []).map((parameter) =>
    [parameter.required ? parameter.name : `${parameter.name}?`, `${parameter.in}, ${schemas.type(parameter.schema)}`, parameter.description]);
  const responses = Object.entries(described.responses).filter(([status]) => status !== 'default');
  const body = el('div', { class: 'body' },
    described.security ? '' : el('p', { class: 'open' }, 'Takes no token.'),
    ...text(described.description),
    ...(parameters.length ? [el('h3', {}, 'Parameters'), rows(parameters)] : []),
    ...(described.requestBody ? [el('h3', {}, 'Body'), ...content(schemas, described.requestBody)] : []),
    ...responses.flatMap(([status, response]) => [el('h3', {}, status), ...text(response.description), ...content(schemas, response)]));
  const node = el('details', { id: described.operationId },
    el('summary', {}, el('span', { class: `method ${method}` }, method.toUpperCase()), el('span', { class: 'path' }, path),
      el('span', { class: 'summary' }, ...text(described.summary))), body);
  node.dataset.text = `${method} ${path} ${described.operationId} ${described.summary}`.toLowerCase();
  return node;
}

function draw(description) {
  const schemas = new Schemas(description.components);
  document.querySelector('#version').textContent = description.info.version;
  document.querySelector('#about').textContent = description.info.description;
  const sections = new Map((description.tags ?? []).map((tag) => [tag.name, el('section', {},
    el('h2', {}, tag.name, ' ', el('small', {}, tag.description ?? '')))]));
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      sections.get(item[method].tags?.[0])?.append(operation(schemas, method, path, item[method]));
    }
  }
  sections.get('errors')?.append(el('h3', {}, 'A refusal'),
    el('pre', {}, JSON.stringify(schemas.example({ $ref: '#/components/schemas/Problem' }), null, 2)));
  document.querySelector('#operations').replaceChildren(...sections.values());
}

function filter() {
  const wanted = document.querySelector('#filter').value.trim().toLowerCase();
  for (const node of document.querySelectorAll('details')) node.hidden = !node.dataset.text.includes(wanted);
  for (const section of document.querySelectorAll('section')) {
    const all = [...section.querySelectorAll('details')];
    section.hidden = all.length > 0 && all.every((node) => node.hidden);
  }
}

function openNamed() {
  const node = location.hash && document.getElementById(location.hash.slice(1));
  if (node instanceof HTMLDetailsElement) {
    node.open = true;
    node.scrollIntoView();
  }
}

try {
  const answer = await fetch('/api/v1/openapi.json');
  if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
  draw(await answer.json());
  document.querySelector('#filter').addEventListener('input', filter);
  window.addEventListener('hashchange', openNamed);
  openNamed();
} catch (error) {
  document.querySelector('#operations').replaceChildren(el('p', {}, `The description could not be read: ${error.message}. Load the page again.`));
}
