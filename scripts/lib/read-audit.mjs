// Reads what `npm audit --json` has printed and says it in a line for each package. The exit status is that of audit.sh.
import { text } from 'node:stream/consumers';

const unchecked = 75;

/** The report, or null where npm has printed an error or nothing. */
function reportIn(said) {
  try {
    const report = JSON.parse(said);
    return report.auditReportVersion === 2 ? report : null;
  } catch {
    return null;
  }
}

const report = reportIn(await text(process.stdin));
if (report === null) {
  console.error(
    'known vulnerabilities could not be checked: the registry has no database of advisories, or is away',
  );
  process.exit(unchecked);
}
const vulnerable = Object.values(report.vulnerabilities);
for (const { name, severity, range, via } of vulnerable) {
  const titles = via.map((one) =>
    typeof one === 'string' ? `by way of ${one}` : `${one.title} (${one.url})`,
  );
  console.log(`${name} ${range}: ${severity}: ${titles.join('; ')}`);
}
const { prod } = report.metadata.dependencies;
if (vulnerable.length === 0) console.log(`nothing is known of the ${prod} packages that are shipped`);
process.exit(vulnerable.length === 0 ? 0 : 1);
