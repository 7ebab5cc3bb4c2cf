/**
 * The rooms of the house and what each may import, beside itself and `shared`. Imports point down only; docs/architecture.md
 * says what each room owns. A room in brackets may be imported for its types only.
 */
const rooms = {
  shared: [],
  wal: [],
  transport: [],
  storage: [],
  compression: ['transport'],
  encryption: ['transport', 'compression'],
  postgres: ['wal', 'transport'],
  catalog: ['wal', 'storage', 'compression', 'encryption'],
  retention: ['catalog'],
  config: ['retention', 'postgres', 'compression', '(catalog)'],
  hooks: ['config', '(catalog)', 'transport'],
};
const ground = Object.keys(rooms);
for (const room of ['backup', 'archive', 'restore', 'check']) rooms[room] = ground;
rooms.cluster = ['wal', 'transport', 'encryption', 'postgres', 'catalog', 'config'];
rooms.shipping = ['wal', 'transport', 'compression'];
rooms.installation = [...ground, 'cluster'];
const work = ['backup', 'archive', 'restore', 'check', 'cluster'];
rooms.operations = [...ground, ...work];
rooms.maintenance = [...ground, ...work, 'operations'];
const typesForOutput = [...ground, ...work, 'operations', 'maintenance'].filter((room) => room !== 'shared' && room !== 'wal');
rooms.output = ['wal', ...typesForOutput.map((room) => `(${room})`)];

const isTypesOnly = (room) => room.startsWith('(');
const bare = (room) => room.replace(/[()]/g, '');

const oneWay = Object.entries(rooms).map(([room, mayImport]) => ({
  name: `${room}-looks-only-down`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, 'shared', ...mayImport.map(bare)].join('|')})/` },
}));
const typesOnly = Object.entries(rooms)
  .filter(([, mayImport]) => mayImport.some(isTypesOnly))
  .map(([room, mayImport]) => ({
    name: `${room}-takes-only-types`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: `^src/(${mayImport.filter(isTypesOnly).map(bare).join('|')})/`, dependencyTypesNot: ['type-only'] },
  }));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...oneWay,
    ...typesOnly,
    { name: 'no-circles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    { name: 'no-orphans', severity: 'error', from: { path: '^src/', orphan: true, pathNot: '^src/cli/main\\.ts$' }, to: {} },
    {
      name: 'server-nodes-opens-connections',
      comment: 'one command talks to one node: ask nodesOf(server); the server that a restore has started is another matter',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/postgres/', '^src/restore/recovery/follow-recovery\\.ts$'] },
      to: { path: '^src/postgres/(connect|server-access|client-connection)\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'catalog-makes-paths-below-base-and-wals',
      comment: 'whoever else wants to know where something lies asks walArchiveOf(layout) or backupFilesOf(layout, id)',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(catalog|storage)/' },
      to: { path: '^src/storage/' },
    },
    {
      name: 'operations-give-facts',
      comment: 'how Python writes a value is a matter of output',
      severity: 'error',
      from: { path: '^src/operations/' },
      to: { path: '^src/shared/python-literal\\.ts$' },
    },
    {
      name: 'config-knows-codecs-by-name',
      comment: 'reading a configuration loads no codec',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/compression/', pathNot: '^src/compression/codec-names\\.ts$' },
    },
    {
      name: 'nothing-lies-above-the-rooms',
      comment: 'a file beside the rooms could import upwards: nobody but cli may import cli',
      severity: 'error',
      from: { path: '^src/[^/]+$' },
      to: {},
    },
    {
      name: 'rooms-are-listed',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${[...Object.keys(rooms), 'cli'].join('|')})/` },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.cjs'] },
  },
};
