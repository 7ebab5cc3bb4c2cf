import tseslint from 'typescript-eslint';

const clockBan = {
  selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
  message: 'take the time from the Clock in the context',
};
const nowBan = {
  selector: 'CallExpression[callee.object.name="Date"][callee.property.name="now"]',
  message: 'take the time from the Clock in the context',
};
const edgeBans = [
  clockBan,
  nowBan,
  {
    selector: 'MemberExpression[object.name="process"][property.name="env"]',
    message: 'the environment is read at the edge and passed in',
  },
  { selector: 'MemberExpression[object.name="process"][property.name="exit"]', message: 'only bin ends the process' },
  { selector: 'ExportDefaultDeclaration', message: 'named exports only' },
];

/** Paths below `base` and `wals` are made in one place: others ask `walArchiveOf(layout)` or `backupFilesOf(layout, id)`. */
const layoutMessage = 'only the catalog knows what lies in this folder: ask walArchiveOf or backupFilesOf';
const layoutBans = [
  'MemberExpression[property.name=/^(base|wals)$/][object.name=/[lL]ayout$/]',
  'MemberExpression[property.name=/^(base|wals)$/][object.property.name="layout"]',
  'VariableDeclarator[init.name=/[lL]ayout$/] > ObjectPattern > Property[key.name=/^(base|wals)$/]',
  'VariableDeclarator[init.property.name="layout"] > ObjectPattern > Property[key.name=/^(base|wals)$/]',
  'Property[key.name="layout"] > ObjectPattern > Property[key.name=/^(base|wals)$/]',
  'ObjectPattern[typeAnnotation.typeAnnotation.typeName.name="ServerLayout"] > Property[key.name=/^(base|wals)$/]',
].map((selector) => ({ selector, message: layoutMessage }));

/** Operations give facts: how Python and Barman write them, and what people call them, is a matter of `output`. */
const wordBans = [
  { selector: 'Literal[value=/^(None|True|False)$/]', message: 'a report is a fact: its words belong into output' },
];

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', 'demo/'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'docs/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: [
      'src/shared/clock.ts',
      'src/cli/standard-stream.ts',
      'src/cli/become-user.ts',
      'src/cli/helpers/**',
      'src/cli/assemble.ts',
    ],
    rules: { 'no-restricted-syntax': ['error', ...edgeBans, ...layoutBans] },
  },
  {
    files: ['src/catalog/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...edgeBans] },
  },
  {
    files: ['src/operations/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...edgeBans, ...layoutBans, ...wordBans] },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/transport/**', 'src/shared/file-lock.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:child_process', message: 'programs are run by transport' },
            { name: 'child_process', message: 'programs are run by transport' },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-console': 'off' },
  },
);
