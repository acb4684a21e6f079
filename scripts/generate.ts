// Writes docs/reference from the tables in the code; with --check it only says what is out of date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { environmentName, flagName, SETTING_NAMES, SETTINGS, type Setting } from '../apps/server/src/settings.ts';
import { openApiDocument } from '../packages/api/src/index.ts';
import { asyncApiDocument, CLOSE, DOWN_SCHEMAS, ERRORS, PROTOCOL_VERSION, UP_SCHEMAS } from '../packages/protocol/src/index.ts';

const reference = join(import.meta.dirname, '../docs/reference');

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const note = (source: string) => `<!-- Made from ${source} by \`npm run generate\`; change it there. -->\n`;

const files: Record<string, string> = {
  'openapi.json': json(openApiDocument()),
  'asyncapi.json': json(asyncApiDocument()),
  'frames.schema.json': json({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `gapless-protocol-${PROTOCOL_VERSION}`,
    $defs: { up: { anyOf: Object.values(UP_SCHEMAS) }, down: { anyOf: Object.values(DOWN_SCHEMAS) } },
  }),
  'errors.md': `# Errors and close codes

${note('packages/protocol/src/codes.ts')}
An error is a frame \`error\`, or over HTTP \`application/problem+json\` with the same \`code\`.

${table(
  ['code', 'HTTP', 'retry', 'meaning'],
  Object.entries(ERRORS).map(([code, { http, retry, say }]) => [`\`${code}\``, http, retryWords(retry), say]),
)}

## Close codes

${table(
  ['code', 'reconnect', 'reason'],
  Object.values(CLOSE).map(({ code, reconnect, say }) => [code, reconnect.replace('_', ' '), say]),
)}
`,
  'config.md': `# Settings

${note('apps/server/src/settings.ts')}
A flag of \`gapless serve\` beats the environment, the environment beats the default. A wrong value or an unknown \`GAPLESS_\` name stops the
start with one line. Secrets may also come from a file named by \`…_FILE\`. \`gapless config print\` shows what is in force.

${table(
  ['environment', 'flag', 'default', 'values', 'meaning'],
  SETTING_NAMES.map((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    return [
      `\`${environmentName(name)}\``,
      `\`${flagName(name)}\``,
      setting.default === '' ? '' : `\`${setting.default}\``,
      setting.values,
      setting.help,
    ];
  }),
)}
`,
};

function retryWords(retry: string): string {
  return { never: 'no', later: 'after `retryAfterMs`', same_mid: 'yes, same `mid`', new_token: 'after a new token' }[retry] ?? retry;
}

let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const path = join(reference, name);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (process.argv.includes('--check')) {
    stale++;
    console.error(`docs/reference/${name} is out of date: npm run generate`);
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote docs/reference/${name}`);
}
process.exitCode = stale === 0 ? 0 : 1;
