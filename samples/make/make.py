#!/usr/bin/env python3
"""Makes the samples anew, to the byte: see samples/README.md. Everything in them is invented."""

import base64
import gzip
import json
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from pdf import MARGIN, WIDTH, Document

ROOT = Path(__file__).resolve().parent.parent
TOWN = "Commune de Kerlouan-sur-Mer"
TOWN_ADDRESS = ("1 place de la Mairie", "29999", "Kerlouan-sur-Mer")
JOINER = "Menuiserie de l’Aber Fictif"
ROOFER = "Couverture du Ponant Imaginaire"
POWER = "Électricité Fictive de l’Ouest"


def luhn(digits):
    """The digits with their check digit (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return digits + str(-total % 10)


def siret(number):
    """An establishment of the made-up company `number`: SIREN and SIRET both have a right check digit."""
    siren = luhn(f"999000{number:02}")
    return luhn(siren + "0001")


def iban(account):
    """A French IBAN of the bank 99999, which does not exist; both keys are right."""
    bban = f"99999{'00001'}{account:011}"
    key = 97 - (89 * int(bban[:5]) + 15 * int(bban[5:10]) + 3 * int(bban[10:])) % 97
    bban += f"{key:02}"
    return f"FR{98 - int(bban + '152700') % 97:02}{bban}"


TOWN_SIRET, JOINER_SIRET, ROOFER_SIRET, POWER_SIRET = (siret(number) for number in (1, 2, 3, 4))


def vat_number(number):
    siren = number[:9]
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02}{siren}"


def euros(amount):
    whole, cents = f"{amount:.2f}".split(".")
    groups = [whole[max(0, end - 3):end] for end in range(len(whole), 0, -3)]
    return "\u00a0".join(reversed(groups)) + f",{cents}\u00a0€"


def write(folder, name, data):
    path = ROOT / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def describe(folder, title, transfer, files, metadata):
    """The description of a deposit, as `cartulaire deposit` reads it."""
    deposit = {
        "title": title,
        "transfer": transfer,
        "files": [{"name": name, "media_type": media_type} for name, media_type in files],
        "metadata": metadata,
    }
    write(folder, "deposit.json", (json.dumps(deposit, ensure_ascii=False, indent=2) + "\n").encode())


def letterhead(document, *lines):
    document.line("RÉPUBLIQUE FRANÇAISE", 9, "bold", "center")
    document.line("Département fictif du Finistère-Nord", 9, align="center", after=8)
    document.line(TOWN.upper(), 13, "bold", "center", after=6)
    for line in lines:
        document.line(line, 10, align="center")
    document.down(4)
    document.rule()
    document.down(24)


def invented(document):
    document.y = 40
    document.line("Document inventé, exemple du projet Cartulaire. Ni cette commune, ni ces entreprises n’existent.",
                  7, align="center")


# --- The act: a resolution of the town council and its annex.

LINES = [
    ("Tables d’écolier 70 × 50 cm", 12, Decimal("85.00")),
    ("Chaises d’écolier, taille 4", 24, Decimal("32.50")),
    ("Livraison et montage", 1, Decimal("100.00")),
]
NET = sum(count * price for _, count, price in LINES)
VAT = (NET * Decimal("0.20")).quantize(Decimal("0.01"))
GROSS = NET + VAT


def act():
    title = "Délibération 2026-042 : mobilier de l’école publique des Goélands"
    document = Document(title, TOWN, "2026-03-19")
    letterhead(document, "Extrait du registre des délibérations du conseil municipal", "Séance du 17 mars 2026")
    document.line("Délibération n° 2026-042", 12, "bold")
    document.paragraph("Objet : acquisition de mobilier pour l’école publique des Goélands", font="bold")
    document.paragraph("L’an deux mille vingt-six, le dix-sept mars à dix-huit heures trente, le conseil municipal, légalement "
                       "convoqué le dix mars, s’est réuni en mairie sous la présidence du maire.")
    document.line("Conseillers en exercice : 15     Présents : 13     Pouvoirs : 1     Votants : 14", after=12)
    for text in [
        "Vu le code général des collectivités territoriales, notamment ses articles L.\u00a02121-29 et L.\u00a02131-1 ;",
        "Vu le budget primitif de l’exercice 2026 ;",
        "Vu l’état des besoins dressé par l’école, joint en annexe ;",
        "Considérant que l’ouverture d’une classe à la rentrée de septembre 2026 demande vingt-quatre places "
        "supplémentaires, et que le mobilier en réserve ne suffit pas ;",
    ]:
        document.paragraph(text)
    document.paragraph("Après en avoir délibéré, le conseil municipal, à l’unanimité :", font="bold")
    for number, text in enumerate([
        f"APPROUVE l’acquisition du mobilier décrit en annexe, pour un montant de {euros(NET)} hors taxes, soit "
        f"{euros(GROSS)} toutes taxes comprises ;",
        f"RETIENT l’offre de l’entreprise {JOINER}, SIRET\u00a0{JOINER_SIRET}\u00a0;",
        "DIT que la dépense est inscrite au chapitre 21, article 2184, du budget de l’exercice ;",
        "AUTORISE le maire à signer tout document utile à l’exécution de la présente délibération.",
    ], 1):
        document.paragraph(f"Article {number}. {text}", indent=14)
    document.down(10)
    document.line("Pour extrait conforme,", align="right")
    document.line("le maire", align="right", after=14)
    document.paragraph("Transmis au représentant de l’État le 19 mars 2026. Publié le 19 mars 2026. La présente délibération peut être "
                       "déférée au tribunal administratif dans les deux mois de sa publication.", 8)
    invented(document)
    annex = Document("Annexe à la délibération 2026-042 : état des besoins", TOWN, "2026-03-19")
    letterhead(annex, "Annexe à la délibération n° 2026-042 du 17 mars 2026")
    annex.line("État des besoins en mobilier, école publique des Goélands", 12, "bold", after=10)
    annex.paragraph("Recensement établi par l’école à l’occasion de l’ouverture de la classe de cours moyen, pour vingt-quatre élèves.")
    annex.table(
        [("Désignation", 0, "left"), ("Quantité", 280, "right"), ("Prix unitaire HT", 375, "right"), ("Total HT", 467, "right")],
        [(name, str(count), euros(price), euros(count * price)) for name, count, price in LINES])
    for name, amount in [("Total HT", NET), ("TVA à 20 %", VAT), ("Total TTC", GROSS)]:
        annex.text(MARGIN + 300, name, 9, "bold")
        annex.text(WIDTH - MARGIN, euros(amount), 9, "bold", "right")
        annex.down(15)
    annex.down(12)
    annex.paragraph("Le mobilier remplacé est conservé en réserve. Garantie demandée : cinq ans. Conformité aux normes NF EN 1729-1 et "
                    "NF EN 1729-2 (chaises et tables pour les établissements d’enseignement).")
    invented(annex)
    write("acte", "deliberation-2026-042.pdf", document.bytes())
    write("acte", "annexe-2026-042.pdf", annex.bytes())
    describe("acte", title, "ACTE-2026-042",
             [("deliberation-2026-042.pdf", "application/pdf"), ("annexe-2026-042.pdf", "application/pdf")],
             {"type": "acte", "nature": "Délibération", "numero": "2026042", "date": "2026-03-17",
              "matiere": "1.1 Commande publique, marchés publics", "producteur": TOWN, "siren": TOWN_SIRET[:9]})


# --- The invoice: Factur-X, profile EN 16931.

INVOICE = "F-2026-0318"
ORDER = "BC-2026-117"

FACTUR_X_EXTENSION = """  <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
    xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
   <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
    <pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
    <pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>
    <pdfaSchema:prefix>fx</pdfaSchema:prefix>
    <pdfaSchema:property><rdf:Seq>
{properties}    </rdf:Seq></pdfaSchema:property>
   </rdf:li></rdf:Bag></pdfaExtension:schemas>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">
{values}  </rdf:Description>
"""
FACTUR_X = [
    ("DocumentFileName", "factur-x.xml", "The name of the embedded XML document"),
    ("DocumentType", "INVOICE", "The type of the hybrid document in capital letters"),
    ("Version", "1.0", "The version of the standard that the embedded XML document follows"),
    ("ConformanceLevel", "EN 16931", "The conformance level of the embedded XML document"),
]


def factur_x_extension():
    properties = "".join(
        f'     <rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>'
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>\n"
        for name, _, description in FACTUR_X)
    values = "".join(f"   <fx:{name}>{value}</fx:{name}>\n" for name, value, _ in FACTUR_X)
    return FACTUR_X_EXTENSION.format(properties=properties, values=values)


def party(tag, name, number, address, vat=None):
    street, code, city = address
    tax = f'<ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">{vat}</ram:ID></ram:SpecifiedTaxRegistration>' if vat else ""
    return f"""      <ram:{tag}>
        <ram:Name>{escape(name)}</ram:Name>
        <ram:SpecifiedLegalOrganization><ram:ID schemeID="0002">{number[:9]}</ram:ID></ram:SpecifiedLegalOrganization>
        <ram:PostalTradeAddress>
          <ram:PostcodeCode>{code}</ram:PostcodeCode>
          <ram:LineOne>{escape(street)}</ram:LineOne>
          <ram:CityName>{escape(city)}</ram:CityName>
          <ram:CountryID>FR</ram:CountryID>
        </ram:PostalTradeAddress>
        <ram:URIUniversalCommunication><ram:URIID schemeID="0009">{number}</ram:URIID></ram:URIUniversalCommunication>
        {tax}
      </ram:{tag}>
"""


def invoice_line(number, name, count, price):
    return f"""    <ram:IncludedSupplyChainTradeLineItem>
      <ram:AssociatedDocumentLineDocument><ram:LineID>{number}</ram:LineID></ram:AssociatedDocumentLineDocument>
      <ram:SpecifiedTradeProduct><ram:Name>{escape(name)}</ram:Name></ram:SpecifiedTradeProduct>
      <ram:SpecifiedLineTradeAgreement>
        <ram:NetPriceProductTradePrice><ram:ChargeAmount>{price}</ram:ChargeAmount></ram:NetPriceProductTradePrice>
      </ram:SpecifiedLineTradeAgreement>
      <ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="C62">{count}</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>
      <ram:SpecifiedLineTradeSettlement>
        <ram:ApplicableTradeTax>
          <ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>
          <ram:RateApplicablePercent>20.00</ram:RateApplicablePercent>
        </ram:ApplicableTradeTax>
        <ram:SpecifiedTradeSettlementLineMonetarySummation>
          <ram:LineTotalAmount>{count * price}</ram:LineTotalAmount>
        </ram:SpecifiedTradeSettlementLineMonetarySummation>
      </ram:SpecifiedLineTradeSettlement>
    </ram:IncludedSupplyChainTradeLineItem>
"""


def invoice_xml():
    lines = "".join(invoice_line(number, *line) for number, line in enumerate(LINES, 1))
    seller = party("SellerTradeParty", JOINER, JOINER_SIRET, ("12 rue du Rabot", "29998", "Port-Fictif"), vat_number(JOINER_SIRET))
    buyer = party("BuyerTradeParty", TOWN, TOWN_SIRET, TOWN_ADDRESS)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
    xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
    xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
  <rsm:ExchangedDocumentContext>
    <ram:BusinessProcessSpecifiedDocumentContextParameter><ram:ID>M1</ram:ID></ram:BusinessProcessSpecifiedDocumentContextParameter>
    <ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter>
  </rsm:ExchangedDocumentContext>
  <rsm:ExchangedDocument>
    <ram:ID>{INVOICE}</ram:ID>
    <ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime><udt:DateTimeString format="102">20260428</udt:DateTimeString></ram:IssueDateTime>
    <ram:IncludedNote><ram:Content>Indemnité forfaitaire pour frais de recouvrement : 40 €</ram:Content><ram:SubjectCode>PMT</ram:SubjectCode></ram:IncludedNote>
    <ram:IncludedNote><ram:Content>Intérêts moratoires au taux légal en vigueur</ram:Content><ram:SubjectCode>PMD</ram:SubjectCode></ram:IncludedNote>
    <ram:IncludedNote><ram:Content>Pas d’escompte pour paiement anticipé</ram:Content><ram:SubjectCode>AAB</ram:SubjectCode></ram:IncludedNote>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
{lines}    <ram:ApplicableHeaderTradeAgreement>
      <ram:BuyerReference>SCOLAIRE</ram:BuyerReference>
{seller}{buyer}      <ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>{ORDER}</ram:IssuerAssignedID></ram:BuyerOrderReferencedDocument>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeDelivery>
      <ram:ActualDeliverySupplyChainEvent>
        <ram:OccurrenceDateTime><udt:DateTimeString format="102">20260424</udt:DateTimeString></ram:OccurrenceDateTime>
      </ram:ActualDeliverySupplyChainEvent>
    </ram:ApplicableHeaderTradeDelivery>
    <ram:ApplicableHeaderTradeSettlement>
      <ram:PaymentReference>{INVOICE}</ram:PaymentReference>
      <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:SpecifiedTradeSettlementPaymentMeans>
        <ram:TypeCode>30</ram:TypeCode>
        <ram:PayeePartyCreditorFinancialAccount><ram:IBANID>{iban(2)}</ram:IBANID></ram:PayeePartyCreditorFinancialAccount>
      </ram:SpecifiedTradeSettlementPaymentMeans>
      <ram:ApplicableTradeTax>
        <ram:CalculatedAmount>{VAT}</ram:CalculatedAmount>
        <ram:TypeCode>VAT</ram:TypeCode>
        <ram:BasisAmount>{NET}</ram:BasisAmount>
        <ram:CategoryCode>S</ram:CategoryCode>
        <ram:RateApplicablePercent>20.00</ram:RateApplicablePercent>
      </ram:ApplicableTradeTax>
      <ram:SpecifiedTradePaymentTerms>
        <ram:DueDateDateTime><udt:DateTimeString format="102">20260528</udt:DateTimeString></ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:LineTotalAmount>{NET}</ram:LineTotalAmount>
        <ram:TaxBasisTotalAmount>{NET}</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">{VAT}</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>{GROSS}</ram:GrandTotalAmount>
        <ram:DuePayableAmount>{GROSS}</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
""".encode()


def invoice():
    title = f"Facture {INVOICE}, {JOINER}"
    document = Document(title, JOINER, "2026-04-28")
    document.line(JOINER, 14, "bold", after=6)
    for line in ["12 rue du Rabot, 29998 Port-Fictif", f"SIRET {JOINER_SIRET}   TVA {vat_number(JOINER_SIRET)}"]:
        document.line(line, 9)
    document.down(16)
    for line in [TOWN, TOWN_ADDRESS[0], " ".join(TOWN_ADDRESS[1:]), f"SIRET {TOWN_SIRET}"]:
        document.text(MARGIN + 290, line, 10)
        document.down(14)
    document.down(16)
    document.line(f"Facture {INVOICE}", 14, "bold", after=8)
    for line in ["Date : 28 avril 2026     Livraison : 24 avril 2026     Échéance : 28 mai 2026",
                 f"Service : SCOLAIRE     Bon de commande : {ORDER}"]:
        document.line(line, 9)
    document.down(10)
    document.table(
        [("Désignation", 0, "left"), ("Quantité", 230, "right"), ("Prix unitaire HT", 325, "right"), ("TVA", 375, "right"),
         ("Total HT", 467, "right")],
        [(name, str(count), euros(price), "20 %", euros(count * price)) for name, count, price in LINES])
    for name, amount in [("Total hors taxes", NET), ("TVA à 20 %", VAT), ("Net à payer", GROSS)]:
        document.text(MARGIN + 300, name, 9, "bold")
        document.text(WIDTH - MARGIN, euros(amount), 9, "bold", "right")
        document.down(15)
    document.down(20)
    document.paragraph(f"Virement à {iban(2)}. Pas d’escompte pour paiement anticipé. En cas de retard : intérêts moratoires au taux légal "
                       "en vigueur et indemnité forfaitaire pour frais de recouvrement de 40 €.", 8)
    invented(document)
    document.extension = factur_x_extension()
    document.attach("factur-x.xml", invoice_xml(), "text/xml", "Facture au format Factur-X, profil EN 16931", "Alternative")
    data = document.bytes()
    name = f"facture-{INVOICE}.pdf"
    write("facture", name, data)
    describe("facture", title, f"FACTURE-{JOINER_SIRET[:9]}-{INVOICE}", [(name, "application/pdf")],
             {"type": "facture", "format": "Factur-X 1.0 EN 16931", "numero": INVOICE, "date": "2026-04-28",
              "fournisseur": JOINER, "siren_fournisseur": JOINER_SIRET[:9], "destinataire": TOWN, "siren": TOWN_SIRET[:9],
              "montant_ttc": str(GROSS), "devise": "EUR"})
    return name, data


# --- The accounting flow: PES v2 Aller, a statement of two payment orders, one with its invoice attached.

FLOW = f"PESALR2_{TOWN_SIRET}_260504_001"
POWER_GROSS = Decimal("412.37")


def piece(number, subject, nature, function, reference, amount, supplier, company, address, account, attachment=None):
    street, code, city = address
    joined = ""
    if attachment:
        joined = f"""
            <PJRef>
              <Support V="01"/>
              <IdUnique V="{attachment[0]}"/>
              <NomPJ V="{attachment[1]}"/>
            </PJRef>"""
    return f"""      <Piece>
        <BlocPiece>
          <InfoPce>
            <IdPce V="{number}"/>
            <TypPce V="01"/>
            <NatPce V="01"/>
            <Obj V={quoteattr(subject)}/>{joined}
          </InfoPce>
        </BlocPiece>
        <LigneDePiece>
          <BlocLignePiece>
            <InfoLignePce>
              <IdLigne V="1"/>
              <Nature V="{nature}"/>
              <Fonction V="{function}"/>
              <LibVir1 V="{reference}"/>
              <LibVir2 V={quoteattr(TOWN.upper())}/>
              <ModRegl V="03"/>
              <TVAIntraCom V="0"/>
              <MtHT V="{amount}"/>
            </InfoLignePce>
          </BlocLignePiece>
          <Tiers>
            <InfoTiers>
              <IdTiers V="{company}"/>
              <NatIdTiers V="01"/>
              <RefTiers V="{company[6:9]}"/>
              <CatTiers V="50"/>
              <NatJur V="03"/>
              <Nom V={quoteattr(supplier)}/>
            </InfoTiers>
            <Adresse>
              <TypAdr V="1"/>
              <Adr2 V={quoteattr(street)}/>
              <CP V="{code}"/>
              <Ville V={quoteattr(city.upper())}/>
              <CodRes V="0"/>
            </Adresse>
            <CpteBancaire>
              <BIC V="FICTFR2BXXX"/>
              <IBAN V="{iban(account)}"/>
              <LibBanc V="BANQUE FICTIVE"/>
              <TitCpte V={quoteattr(supplier)}/>
            </CpteBancaire>
          </Tiers>
        </LigneDePiece>
      </Piece>
"""


def flow(invoice_name, invoice_pdf):
    unique = f"{TOWN_SIRET}DEPENSE2026000231"
    packed = base64.encodebytes(gzip.compress(invoice_pdf, 9, mtime=0)).decode().strip()
    plain = str.maketrans({"’": "'"})  # ISO-8859-1 has no typographic apostrophe.
    pieces = piece("231", "Mobilier école publique des Goélands", "2184", "213", INVOICE, GROSS, JOINER.translate(plain), JOINER_SIRET,
                   ("12 rue du Rabot", "29998", "Port-Fictif"), 2, (unique, invoice_name))
    pieces += piece("232", "Électricité de l'école, mars et avril 2026", "60612", "213", "ELEC-2026-04", POWER_GROSS, POWER.translate(plain),
                    POWER_SIRET, ("3 quai des Éoliennes", "29997", "Lannfictif"), 4)
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller" Id="PES-2026-05-04-001">
  <Enveloppe>
    <Parametres>
      <Version V="2"/>
      <TypFic V="PESALR2"/>
      <NomFic V="{FLOW}"/>
    </Parametres>
    <Emetteur>
      <Sigle V="KERLOUANSURMER"/>
      <Adresse V="{TOWN_SIRET}"/>
    </Emetteur>
  </Enveloppe>
  <EnTetePES>
    <DteStr V="2026-05-04"/>
    <IdPost V="029999"/>
    <LibellePoste V="Trésorerie fictive de Lannfictif"/>
    <IdColl V="{TOWN_SIRET}"/>
    <CodCol V="299"/>
    <CodBud V="00"/>
    <LibelleColBud V="{TOWN}"/>
  </EnTetePES>
  <PES_DepenseAller>
    <EnTeteDepense>
      <IdVer V="2"/>
      <InfoDematerialisee V="1"/>
    </EnTeteDepense>
    <Bordereau Id="BORD-2026-57">
      <BlocBordereau>
        <Exer V="2026"/>
        <IdBord V="57"/>
        <DteBordEm V="2026-05-04"/>
        <TypBord V="01"/>
        <NbrPce V="2"/>
        <MtCumulAnnuel V="318442.09"/>
        <MtBordHT V="{GROSS + POWER_GROSS}"/>
      </BlocBordereau>
{pieces}    </Bordereau>
  </PES_DepenseAller>
  <PES_PJ>
    <EnTetePES_PJ>
      <IdVer V="1"/>
    </EnTetePES_PJ>
    <PJ>
      <Contenu>
        <Fichier MIMEType="application/pdf">{packed}</Fichier>
      </Contenu>
      <IdUnique V="{unique}"/>
      <NomPJ V="{invoice_name}"/>
      <TypePJ V="003"/>
      <Description V="Facture {INVOICE} du 28/04/2026"/>
    </PJ>
  </PES_PJ>
</n:PES_Aller>
"""
    write("pes", f"{FLOW}.xml", text.encode("iso-8859-1"))
    describe("pes", "Flux PES Aller du 4 mai 2026, bordereau de mandats 57", FLOW, [(f"{FLOW}.xml", "application/xml")],
             {"type": "PES", "domaine": "Dépense", "nom_fichier": FLOW, "exercice": "2026", "bordereaux": "57",
              "producteur": TOWN, "siren": TOWN_SIRET[:9], "comptable": "029999"})


# --- The contract: deed of commitment and its essential data (DECP).

CONTRACT = "2026T03"
CONTRACT_NET = Decimal("84500.00")


def contract():
    gross = (CONTRACT_NET * Decimal("1.20")).quantize(Decimal("0.01"))
    subject = "Réfection de la couverture de l’école publique des Goélands"
    title = f"Acte d’engagement du marché {CONTRACT}"
    document = Document(title, TOWN, "2026-06-08")
    letterhead(document, "Marché public de travaux", "Acte d’engagement")
    document.line(f"Marché n° {CONTRACT}", 12, "bold")
    document.paragraph(f"Objet : {subject}", font="bold")
    for head, text in [
        ("A. Acheteur", f"{TOWN}, {TOWN_ADDRESS[0]}, {TOWN_ADDRESS[1]} {TOWN_ADDRESS[2]}, SIRET\u00a0{TOWN_SIRET}, représentée par son maire, "
         "habilité par délibération du conseil municipal. Comptable assignataire : trésorerie fictive de Lannfictif (codique 029999)."),
        ("B. Titulaire", f"{ROOFER}, 7 venelle des Ardoises, 29996 Lannfictif, SIRET\u00a0{ROOFER_SIRET}, qui s’engage sans réserve, conformément "
         "aux clauses du cahier des charges, à exécuter les travaux demandés."),
        ("C. Procédure", "Procédure adaptée ouverte, articles L.\u00a02123-1 et R.\u00a02123-1 du code de la commande publique. Trois offres "
         "reçues. Cahier des clauses administratives générales : travaux."),
        ("D. Prix", f"Prix global et forfaitaire, ferme : {euros(CONTRACT_NET)} hors taxes, TVA à 20 % : {euros(gross - CONTRACT_NET)}, soit "
         f"{euros(gross)} toutes taxes comprises. Une avance de 5 % est accordée."),
        ("E. Durée", "Quatre mois à compter de la notification, période de préparation comprise."),
        ("F. Paiement", f"Virement au compte {iban(3)} dans un délai de trente jours."),
    ]:
        document.line(head, 10, "bold")
        document.paragraph(text, indent=14)
    document.down(8)
    document.rule()
    document.down(18)
    for left, right in [("Fait à Lannfictif, le 1er juin 2026", "Fait à Kerlouan-sur-Mer, le 8 juin 2026"), ("Le titulaire", "Le maire")]:
        document.text(MARGIN, left, 9)
        document.text(MARGIN + 260, right, 9)
        document.down(16)
    invented(document)
    essential = {"marches": {"marche": [{
        "id": CONTRACT,
        "acheteur": {"id": TOWN_SIRET},
        "nature": "Marché",
        "objet": subject,
        "codeCPV": "45261000",
        "techniques": {"technique": ["Sans objet"]},
        "modalitesExecution": {"modaliteExecution": ["Sans objet"]},
        "marcheInnovant": False,
        "ccag": "Travaux",
        "offresRecues": 3,
        "attributionAvance": True,
        "tauxAvance": 0.05,
        "typeGroupementOperateurs": "Pas de groupement",
        "sousTraitanceDeclaree": False,
        "procedure": "Procédure adaptée",
        "lieuExecution": {"code": TOWN_ADDRESS[1], "typeCode": "Code postal"},
        "dureeMois": 4,
        "dateNotification": "2026-06-10",
        "datePublicationDonnees": "2026-06-24",
        "montant": float(CONTRACT_NET),
        "typesPrix": {"typePrix": ["Définitif ferme"]},
        "formePrix": "Forfaitaire",
        "titulaires": [{"titulaire": {"id": ROOFER_SIRET, "typeIdentifiant": "SIRET"}}],
        "considerationsSociales": {"considerationSociale": ["Pas de considération sociale"]},
        "considerationsEnvironnementales": {"considerationEnvironnementale": ["Critère environnemental"]},
    }]}}
    write("marche", f"acte-engagement-{CONTRACT}.pdf", document.bytes())
    write("marche", f"decp-{CONTRACT}.json", (json.dumps(essential, ensure_ascii=False, indent=2) + "\n").encode())
    describe("marche", f"Marché {CONTRACT} : {subject}", f"MARCHE-{CONTRACT}",
             [(f"acte-engagement-{CONTRACT}.pdf", "application/pdf"), (f"decp-{CONTRACT}.json", "application/json")],
             {"type": "marche", "numero": CONTRACT, "date_notification": "2026-06-10", "montant_ht": str(CONTRACT_NET),
              "acheteur": TOWN, "siren": TOWN_SIRET[:9], "titulaire": ROOFER, "siren_titulaire": ROOFER_SIRET[:9]})


def main():
    act()
    flow(*invoice())
    contract()


if __name__ == "__main__":
    main()
