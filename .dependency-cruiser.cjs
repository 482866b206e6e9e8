/** The floors of the house: an import may only go down. cli -> main -> services -> adapters, kernel -> ports -> domain. */
const TEST_CODE = '(\\.test\\.ts|\\.fixture\\.ts|test-support\\.ts)$';
const floor = (name, path, forbidden, except = '^$') => ({
  name,
  severity: 'error',
  from: { path, pathNot: TEST_CODE },
  to: { path: forbidden, pathNot: except },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    floor('domain-imports-nothing-of-ours', '^src/domain/', '^(src/(?!domain/)|test/|bench/)'),
    floor('ports-import-only-domain', '^src/ports/', '^(src/(?!(domain|ports)/)|test/|bench/)'),
    floor('kernel-imports-ports-and-domain', '^src/kernel/', '^(src/(?!(domain|ports|kernel)/)|test/|bench/)'),
    floor('adapters-import-ports-and-domain', '^src/adapters/', '^(src/(?!(domain|ports|adapters)/)|test/|bench/)'),
    floor(
      'services-never-import-adapters',
      '^src/services/',
      '^(src/(?!(domain|ports|kernel|services)/)|test/|bench/)',
    ),
    {
      name: 'services-never-import-one-another',
      severity: 'error',
      from: { path: '^src/services/([^/]+)/', pathNot: TEST_CODE },
      to: { path: '^src/services/', pathNot: '^src/services/$1/' },
    },
    // It speaks HTTP with the platform and runs in browsers.
    {
      name: 'web-stands-apart',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^(src|test|bench|bin)/' },
    },
    { name: 'nothing-imports-web', severity: 'error', from: { path: '^(src|test|bench)/' }, to: { path: '^web/' } },
    floor('main-does-not-import-cli', '^src/main/', '^(src/cli/|test/|bench/)'),
    // The command line speaks HTTP; only the commands that are the platform itself enter main.
    {
      name: 'cli-is-a-client',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: `(^src/cli/(up|main|clock)\\.ts$|${TEST_CODE})` },
      to: { path: '^src/(services|adapters|kernel|ports)/' },
    },
    {
      name: 'only-main-composes',
      severity: 'error',
      from: { path: '^src/(?!main/|adapters/)', pathNot: `(^src/cli/clock\\.ts$|${TEST_CODE})` },
      to: { path: '^src/adapters/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules' },
  },
};
