import { defineConfig } from 'vitest/config';

// vitest asks for a default export here, the one exception to our rule of named exports.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env['PGCELLAR_SWITCHES'] === undefined ? ['test/endurance/**'] : [], // takes minutes to hours
    setupFiles: ['test/helpers/leave-nothing-running.ts'],
    pool: 'forks', // a process for each file: tests change their environment, and its end ends their servers
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    globals: false,
    passWithNoTests: false,
  },
});
