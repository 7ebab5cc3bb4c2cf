import { expect, test } from 'vitest';
import type { CommandDeclaration } from '../../../src/cli/command.ts';
import { selectServers } from '../../../src/cli/select-servers.ts';
import type { Server } from '../../../src/config/server.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';
import { lonelyServer } from '../check/check-setup.ts';
import { aContext } from '../restore/restore-context.ts';

await using lonely = await lonelyServer('');
const model = lonely.server;

function aServer(name: string, state: Partial<ServerConfig> = {}): Server {
  return { ...model, config: { ...model.config, name: name as ServerConfig['name'], problems: [], ...state } }; // any section has such a name
}

const inactive = aServer('inactive', { isActive: false });
const disabled = aServer('broken', { problems: ['first problem', 'second problem'] });
const passive = aServer('passive', { isPassive: true });
const known = [disabled, inactive, aServer('main'), aServer('other'), passive];

interface Sketch {
  readonly title: string;
  readonly names: readonly string[];
  readonly rules?: Partial<CommandDeclaration>;
  readonly chosen: readonly string[];
  readonly told?: readonly string[];
}

test.each<Sketch>([
  { title: 'servers are worked on by name, each once', names: ['other', 'main', 'other'], chosen: ['main', 'other'] },
  { title: 'all are all', names: ['all'], chosen: ['broken', 'inactive', 'main', 'other', 'passive'] },
  {
    title: 'all beside other names is told, and still all',
    names: ['main', 'all'],
    chosen: ['broken', 'inactive', 'main', 'other', 'passive'],
    told: ["ERROR: You cannot use 'all' with other server names"],
  },
  { title: 'all twice is no mistake', names: ['all', 'all'], chosen: ['broken', 'inactive', 'main', 'other', 'passive'] },
  {
    title: 'an unknown name is told and the others go on',
    names: ['zebra', 'main', 'aardvark'],
    chosen: ['main'],
    told: ["ERROR: Unknown server 'aardvark'", "ERROR: Unknown server 'zebra'"],
  },
  {
    title: 'a skipped server is told and is no failure',
    names: ['inactive', 'main', 'passive'],
    rules: { whenInactive: 'skip', whenPassive: 'skip' },
    chosen: ['main'],
    told: ["INFO: Skipping inactive server 'inactive'", "INFO: Skipping passive server 'passive'"],
  },
  {
    title: 'of a disabled server the first problem is told',
    names: ['broken', 'main'],
    rules: { whenDisabled: 'error' },
    chosen: ['main'],
    told: ['ERROR: first problem'],
  },
  {
    title: 'a disabled server may be skipped',
    names: ['broken'],
    rules: { whenDisabled: 'skip' },
    chosen: [],
    told: ["INFO: Skipping temporarily disabled server 'broken'"],
  },
  {
    title: 'an inactive server may be an error',
    names: ['inactive'],
    rules: { servers: 'one', whenInactive: 'error' },
    chosen: [],
    told: ['ERROR: Inactive server: inactive'],
  },
  {
    title: 'a passive server may be an error',
    names: ['passive'],
    rules: { servers: 'one', whenPassive: 'error' },
    chosen: [],
    told: ['ERROR: Passive server: passive'],
  },
])('$title', ({ names, rules = {}, chosen, told = [] }) => {
  const context = aContext();
  const declaration: CommandDeclaration = { name: 'try', summary: '', servers: 'many', run: () => Promise.resolve(), ...rules };
  expect(selectServers(names, known, declaration, context.messages).map(({ config }) => config.name)).toEqual(chosen);
  expect(context.told).toEqual(told);
});

test('an inactive server that is disabled too is skipped first', () => {
  const both = aServer('both', { isActive: false, problems: ['problem'] });
  const context = aContext();
  const declaration: CommandDeclaration = {
    name: 'try',
    summary: '',
    servers: 'many',
    whenInactive: 'skip',
    whenDisabled: 'error',
    run: () => Promise.resolve(),
  };
  expect(selectServers(['both'], [both], declaration, context.messages)).toEqual([]);
  expect(context.told).toEqual(["INFO: Skipping inactive server 'both'"]);
});

test('a command for one server cannot be used with all', () => {
  const declaration: CommandDeclaration = { name: 'delete', summary: '', servers: 'one', run: () => Promise.resolve() };
  expect(() => selectServers(['all'], known, declaration, aContext().messages)).toThrow(
    expect.objectContaining({ code: 'unknown-server', message: "You cannot use 'all' in a single server context" }),
  );
});
