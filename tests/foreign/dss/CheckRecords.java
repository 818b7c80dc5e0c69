import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import eu.europa.esig.dss.evidencerecord.asn1.validation.ASN1EvidenceRecord;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.ReferenceValidation;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.x509.tsp.TimestampToken;

import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

/**
 * Has two validators that know nothing of Cartulaire judge every evidence record of unpacked proof bundles: EU DSS and
 * Bouncy Castle, each on the record, its document and the root certificate alone.
 *
 * <p>Usage: {@code CheckRecords ROOT.pem BUNDLE...}. A record passes if both accept it with its document and both refuse it
 * with a document of which one bit was changed. Exits with 1 if a record does not pass or a bundle has none.
 */
public final class CheckRecords {
    private static final Pattern NAME = Pattern.compile("\"name\":\"((?:[^\"\\\\]|\\\\.)*)\"");

    private final CertificateToken root;
    private final DigestCalculatorProvider digests;
    private int passed;
    private int failed;

    private CheckRecords(Path root) throws Exception {
        this.root = DSSUtils.loadCertificate(root.toFile());
        this.digests = new JcaDigestCalculatorProviderBuilder().build();
    }

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        CheckRecords check = new CheckRecords(Path.of(arguments[0]));
        for (int i = 1; i < arguments.length; i++) {
            check.bundle(Path.of(arguments[i]));
        }
        System.out.printf("%d records, %d as expected, %d not%n", check.passed + check.failed, check.passed, check.failed);
        System.exit(check.failed == 0 && check.passed > 0 ? 0 : 1);
    }

    private void bundle(Path bundle) throws IOException {
        int before = passed + failed;
        Path proof = bundle.resolve("data/preuve");
        List<Path> objects = objects(bundle);
        for (int position = 0; position < objects.size(); position++) {
            Path folder = proof.resolve(String.format("objets/%03d", position));
            for (String algorithm : List.of("sha256", "sha512")) {
                Path record = folder.resolve("record-" + algorithm + ".ers");
                // The second tree is the operator's choice; the first is always there.
                if (algorithm.equals("sha256") || Files.exists(record)) {
                    record(bundle, record, objects.get(position));
                }
            }
        }
        record(bundle, proof.resolve("checkpoint-sha256.ers"), proof.resolve("checkpoint-body.txt"));
        System.out.printf("%s: %d records%n", bundle.getFileName(), passed + failed - before);
    }

    /** The descriptor, then the documents in its order: the objects that have records, by their position. */
    private static List<Path> objects(Path bundle) throws IOException {
        Path descriptor = bundle.resolve("data/preuve/descriptor.json");
        List<Path> objects = new ArrayList<>(List.of(descriptor));
        String text = Files.readString(descriptor);
        int files = text.indexOf("\"files\":[");
        Matcher names = NAME.matcher(text.substring(files, text.indexOf(']', files)));
        while (names.find()) {
            objects.add(bundle.resolve("data/piece").resolve(names.group(1)));
        }
        return objects;
    }

    private void record(Path bundle, Path path, Path document) {
        String place = bundle.relativize(path) + " over " + bundle.relativize(document);
        try {
            byte[] record = Files.readAllBytes(path);
            byte[] content = Files.readAllBytes(document);
            byte[] altered = content.clone();
            altered[altered.length / 2] ^= 1;
            String dss = byDss(record, content);
            String bouncy = byBouncyCastle(record, content);
            boolean refused = !byDss(record, altered).equals("intact") && !byBouncyCastle(record, altered).equals("intact");
            boolean sound = dss.equals("intact") && bouncy.equals("intact") && refused;
            System.out.printf("%s  %s: DSS %s, Bouncy Castle %s, one bit changed %s%n", sound ? "ok  " : "FAIL", place, dss,
                    bouncy, refused ? "refused by both" : "NOT REFUSED");
            count(sound);
        } catch (IOException error) {
            System.out.printf("FAIL  %s: %s%n", place, error);
            count(false);
        }
    }

    private void count(boolean sound) {
        if (sound) {
            passed++;
        } else {
            failed++;
        }
    }

    /** Digest matchers, structure, and the token: its imprint, its own signature, and that signature's path to the root. */
    private String byDss(byte[] record, byte[] content) {
        ASN1EvidenceRecord evidence = new ASN1EvidenceRecord(new InMemoryDocument(record, "record.ers"));
        evidence.setDetachedContents(List.of(new InMemoryDocument(content, "document")));
        if (!evidence.getStructureValidationResult().isEmpty()) {
            return "structure " + evidence.getStructureValidationResult();
        }
        List<ReferenceValidation> references = evidence.getReferenceValidation();
        if (references.isEmpty() || !references.stream().allMatch(r -> r.isFound() && r.isIntact())) {
            return "document not found or not intact";
        }
        List<TimestampToken> tokens = evidence.getTimestamps();
        for (TimestampToken token : tokens) {
            if (!token.isMessageImprintDataFound() || !token.isMessageImprintDataIntact()) {
                return "imprint not intact";
            }
            boolean signed = token.getCertificates().stream().anyMatch(c -> token.isSignedBy(c) && c.isSignedBy(root));
            if (!signed) {
                return "token not signed below the root";
            }
        }
        return tokens.isEmpty() ? "no token" : "intact";
    }

    private String byBouncyCastle(byte[] record, byte[] content) {
        try {
            ERSEvidenceRecord evidence = new ERSEvidenceRecord(record, digests);
            evidence.validatePresent(new ERSByteData(content), new Date());
            SignerInformationVerifier verifier =
                    new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(evidence.getSigningCertificate());
            evidence.validate(verifier);
            return "intact";
        } catch (Exception error) {
            return error.getMessage();
        }
    }
}
