export default function Stub(_props: { tab?: string }) {
  return null;
}
